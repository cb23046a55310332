#include "jobs/rebuild/checkpoints.hpp"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/packing.hpp"
#include "io/part_files.hpp"
#include "io/progress.hpp"
#include "jobs/rebuild/fault_point.hpp"
#include "jobs/rebuild/setup.hpp"

namespace ligature {

namespace {

namespace fs = std::filesystem;

// What a checkpoint says beside its pieces.
struct Account {
  RunTerms terms;
  DayNumber as_at = kMissingDay;
  std::string manifest;
};

std::string packed(const Account& account) {
  Packer packer;
  packer.value(std::uint64_t{account.terms.size()});
  for (const auto& [name, value] : account.terms) {
    packer.text(name);
    packer.text(value);
  }
  packer.value(account.as_at);
  packer.text(account.manifest);
  const auto bytes = packer.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Account account_of(std::string_view text) {
  Unpacker from(std::as_bytes(std::span(text)));
  Account account;
  for (auto terms = from.value<std::uint64_t>(); terms > 0; --terms) {
    std::string name = from.text();
    account.terms.emplace_back(std::move(name), from.text());
  }
  account.as_at = from.value<DayNumber>();
  account.manifest = from.text();
  from.finish();
  return account;
}

}  // namespace

Checkpoints::Checkpoints(const Communicator& comm, const JobFile& job, RunTerms terms, bool resume)
    : comm_(comm),
      folder_(job.secure / "scratch" / "checkpoint"),
      level_(job.checkpoint),
      scrub_(job.scrub),
      terms_(std::move(terms)),
      resume_(resume) {
  bool any = false;
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    make_private_directory(folder_);
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (!is_checkpoint(entry.path())) continue;
      any = true;
      if (!resume) break;
      Account account;
      try {
        account = account_of(read_account(entry.path()));
      } catch (const Error&) {
        continue;  // restore will meet it, and say so
      }
      if (const std::string other = difference(account.terms, terms_); !other.empty()) {
        throw UsageError("the checkpoints in " + folder_.string() + " are of another run: " + other +
                         ".  Without --resume the run begins anew, and they are removed");
      }
      if (job.as_at.value_or(account.as_at) == account.as_at) as_at_ = account.as_at;
    }
    if (resume && !any) log_info(comm, "nothing to resume: there is no checkpoint in " + folder_.string());
  });
  if (!resume) {
    if (any) log_warning(comm, "the checkpoints of an earlier run are removed; with --resume it would have gone on");
    remove_scratch(comm, folder_, scrub_);
    agreed_step(comm, [&] {
      if (comm.is_root()) make_private_directory(folder_);
    });
  }
  DayNumber day = as_at_.value_or(kMissingDay);
  comm.broadcast_value(day);
  if (day != kMissingDay) as_at_ = day;
}

bool Checkpoints::restore(std::string_view stage, Manifest& account,
                          const std::function<void(const CheckpointReader&)>& read) {
  if (!resume_) return false;
  const auto reader = open(stage, [&](const CheckpointReader& found) {
    account = manifest_of_json(account_of(found.account()).manifest);
    read(found);
  });
  if (!reader) return false;
  last_ = stage;
  log_info(comm_, "resuming after '" + last_ + "'");
  return true;
}

std::unique_ptr<CheckpointReader> Checkpoints::open(std::string_view stage,
                                                    const std::function<void(const CheckpointReader&)>& read) const {
  if (!has(stage)) return nullptr;
  try {
    auto reader = std::make_unique<CheckpointReader>(comm_, folder_of(stage));
    agreed_step(comm_, [&] { read(*reader); });
    return reader;
  } catch (const Error& error) {
    // Damaged, or not to be read: the message says which, and of which file.
    log_warning(comm_,
                fmt::format("checkpoint '{}' cannot be used, and its stage is done again: {}", stage, error.what()));
    return nullptr;
  }
}

bool Checkpoints::has(std::string_view stage) const {
  return comm_.any(comm_.is_root() && is_checkpoint(folder_of(stage)));
}

std::unique_ptr<CheckpointWriter> Checkpoints::begin(std::string_view stage) const {
  if (level_ == CheckpointLevel::none) return nullptr;
  return std::make_unique<CheckpointWriter>(comm_, folder_of(stage), scrub_);
}

void Checkpoints::commit(std::string_view stage, CheckpointWriter* writer, const Manifest& account) const {
  if (writer == nullptr) return;
  std::string text;
  if (comm_.is_root()) text = packed({terms_, as_at_.value_or(kMissingDay), to_json(account)});
  const std::string place = "checkpoint-" + std::string(stage);
  const std::uint64_t bytes = writer->commit(text, [&] { fault_point(comm_, place); });
  last_ = stage;
  log_info(comm_, "checkpoint '" + last_ + "' written: " + human_bytes(bytes));
}

}  // namespace ligature
