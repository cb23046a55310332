// Making and naming keys.  Rank 0 does it; the key itself is never printed, and no key is ever written over.
#include <cstdio>
#include <string>

#include "engine/error.hpp"
#include "engine/pseudonym.hpp"
#include "io/key_file.hpp"
#include "io/part_files.hpp"
#include "jobs/jobs.hpp"

namespace ligature {

namespace {

void print_key_id(const std::filesystem::path& path) {
  const SecretBytes key = load_key_file(path);
  const std::string line = Pseudonymiser(key).key_id() + "\n";
  std::fputs(line.c_str(), stdout);
}

}  // namespace

int new_key(const Communicator& comm, const std::filesystem::path& path) {
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    make_key_file(path);
    print_key_id(path);
  });
  return kExitDone;
}

int show_key_id(const Communicator& comm, const std::filesystem::path& path) {
  agreed_step(comm, [&] {
    if (comm.is_root()) print_key_id(path);
  });
  return kExitDone;
}

}  // namespace ligature
