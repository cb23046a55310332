// What the tests of releases share: a finished run with a job file and some customers, agreements of which a test
// changes a line, and reading back what went out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "engine/pseudonym.hpp"
#include "io/audit_log.hpp"
#include "io/files.hpp"
#include "io/job_file.hpp"
#include "io/key_file.hpp"
#include "jobs/jobs.hpp"
#include "jobs/verify/checks.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {

using Rows = std::vector<std::vector<std::string>>;

// A CSV file without quotes, header and all.
inline Rows read_csv(const std::filesystem::path& path) {
  Rows rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    rows.emplace_back();
    std::istringstream fields(line + ",");
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

inline std::vector<std::string> column(const Rows& rows, const std::string& name) {
  const auto at = std::find(rows.front().begin(), rows.front().end(), name) - rows.front().begin();
  std::vector<std::string> values;
  for (std::size_t r = 1; r < rows.size(); ++r) values.push_back(rows[r].at(static_cast<std::size_t>(at)));
  return values;
}

// An agreement's lines, of which a test changes one.
class Text {
 public:
  explicit Text(const std::string& text) : text_(text) {}
  Text& set(const std::string& key, const std::string& value) {
    const std::size_t begin = text_.find("\n" + key + " ") + 1;
    const std::size_t end = text_.find('\n', begin) + 1;
    text_.replace(begin, end - begin, value.empty() ? "" : key + " = " + value + "\n");
    return *this;
  }
  Text& add(const std::string& lines) {
    text_ += lines;
    return *this;
  }
  [[nodiscard]] std::string str() const { return text_; }

 private:
  std::string text_;
};

inline const Text kExtract(R"([agreement]
id = "A-1"
recipient = "University of Leeds"
recipient_type = "researcher"
purpose = "asthma"
legal_basis = "section-261"
start = 2000-01-01
expiry = 2070-01-01
form = "extract"
format = "csv"
key = "a.key"
rules = "k-anonymity v1"
k = 2
[persons]
columns = ["sex"]
[[dataset]]
name = "gp"
columns = ["row_id", "event_date", "code"]
dates = "month"
)");

inline const Text kAggregate(R"([agreement]
id = "T-1"
recipient = "University of Leeds"
recipient_type = "researcher"
purpose = "asthma"
legal_basis = "section-261"
start = 2000-01-01
expiry = 2070-01-01
form = "aggregate"
rules = "suppress-1-5 v1"
)");

// A finished run, a job file that names it, and some customers.
class ReleaseJob : public testing::Test {
 protected:
  ReleaseJob() {
    job_.path = folder_.path() / "job.toml";
    job_.secure = run_.secure;
    job_.publish = run_.publish;
    job_.customers = folder_.path() / "customers.csv";
    job_.release_folder = folder_.path() / "releases";
    on_root([&] {
      make_key_file(folder_.path() / "main.key");
      make_key_file(folder_.path() / "a.key");
      make_key_file(folder_.path() / "b.key");
      write_file_durably(*job_.customers,
                         "recipient,recipient_type,purpose\nUniversity of Leeds,researcher,asthma\n"
                         "Acme Ltd,company,trials\nPublic Health,commissioner,outbreak\n",
                         0600);
    });
    run_.manifest.key_id = Pseudonymiser(load_key_file(folder_.path() / "main.key")).key_id();
    run_.write(world_);
  }

  // Collective.  Other ranks may still read what the step changes, hence the first barrier.
  template <typename Step>
  void on_root(const Step& step) const {
    world_.barrier();
    if (world_.is_root()) step();
    world_.barrier();
  }
  // Collective.  Releases under an agreement; the folder that was made.
  std::filesystem::path make(const Communicator& comm, const Text& text) {
    const std::filesystem::path path = folder_.path() / "agreement.toml";
    if (comm.is_root()) write_file_durably(path, text.str(), 0600);
    comm.barrier();
    testing::internal::CaptureStdout();
    const int code = release(comm, job_, path);
    std::string said = testing::internal::GetCapturedStdout();
    EXPECT_EQ(code, kExitDone);
    comm.broadcast(said);
    const std::size_t begin = said.find("  /", said.find('\n')), end = said.find(" in ", begin);
    return said.substr(begin + 2, end - begin - 2);
  }
  std::filesystem::path make(const Text& text) { return make(world_, text); }
  // Collective.  What a release is refused with; it must leave no output.
  std::string refusal(const Text& text, int exit_code = kExitWrongUse) {
    const std::vector<std::string> before = releases();
    std::string said;
    try {
      make(text);
    } catch (const Error& error) {
      testing::internal::GetCapturedStdout();
      said = error.what();
      EXPECT_EQ(error.exit_code(), exit_code) << said;
    }
    world_.barrier();
    EXPECT_EQ(releases(), before);
    return said;
  }
  void expect_refused(const Text& text, const std::string& why, int exit_code = kExitWrongUse) {
    const std::string said = refusal(text, exit_code);
    EXPECT_NE(said.find(why), std::string::npos) << "said: " << said << "\nnot: " << why;
  }
  // The last entry of the audit log.
  [[nodiscard]] AuditEntry last_entry() const {
    AuditEntry last;
    read_audit_log(run_.secure, [&](const AuditEntry& entry) { last = entry; });
    return last;
  }
  [[nodiscard]] std::vector<std::string> releases() const {
    std::vector<std::string> names;
    for (const std::filesystem::path& base : {folder_.path() / "releases", run_.secure / "releases"}) {
      if (!std::filesystem::exists(base)) continue;
      for (const auto& entry : std::filesystem::directory_iterator(base)) names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  [[nodiscard]] Pseudonymiser pseudonymiser(const char* key) const {
    return Pseudonymiser(load_key_file(folder_.path() / key));
  }
  // The new name of a person of the run.
  [[nodiscard]] std::string new_name(const char* key, std::size_t person) const {
    Pseudonymiser names(load_key_file(folder_.path() / key));
    Pseudonym name;
    names.name(std::span<const Pseudonym>(&run_.persons[person].pseudonym, 1), std::span(&name, 1));
    return hex(name);
  }
  void write_objections(const std::string& rows) {
    on_root([&] { write_file_durably(folder_.path() / "optout.csv", "nhs_number,kind,date\n" + rows, 0600); });
    job_.consent.objections = {(folder_.path() / "optout.csv").string()};
  }
  // The result of a check of verify.
  std::uint64_t violations(const std::string& name) {
    RunFiles files(run_.publish);
    for (const Check& check : verify_run(world_, files)) {
      if (check.name == name) return check.violations;
    }
    ADD_FAILURE() << "no check " << name;
    return 0;
  }

  Communicator world_ = Communicator::world();
  SharedFolder folder_{world_};
  TinyRun run_{folder_.path()};
  JobFile job_;
};

}  // namespace ligature
