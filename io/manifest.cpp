// The manifest as JSON (RFC 8259).  Each structure lists its fields once, for writing and reading alike.
#include "io/manifest.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "engine/comparison.hpp"
#include "engine/error.hpp"
#include "io/files.hpp"

namespace ligature {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLargestManifest = std::size_t{1} << 30;  // 10^6 input files
constexpr std::array<std::string_view, 3> kCompressions{"none", "gzip", "zstd"};

// A mistake in a manifest, with the place in it.
[[noreturn]] void wrong(const std::string& place, const std::string& what) {
  throw Error("manifest: " + (place.empty() ? std::string("top level") : place) + ": " + what);
}

template <typename Archive>
void fields(Archive& archive, RowCounts& rows);
template <typename Archive>
void fields(Archive& archive, ModelParameters& model);

template <typename Archive>
void fields(Archive& archive, LevelProbabilities& level) {
  archive("m", level.m);
  archive("u", level.u);
}

template <typename Archive>
void fields(Archive& archive, StageTime& stage) {
  archive("name", stage.name);
  archive("seconds", stage.seconds);
  archive("items", stage.items);
  archive("unit", stage.unit);
}

template <typename Archive>
void fields(Archive& archive, PassReport& pass) {
  archive("name", pass.name);
  archive("identities", pass.identities);
  archive("groups", pass.groups);
  archive("largest_group", pass.largest_group);
  archive("pairs_compared", pass.pairs_compared);
  archive("pairs_vetoed", pass.pairs_vetoed);
  archive("edges", pass.edges);
}

template <typename Archive>
void fields(Archive& archive, NumberReport& numbers) {
  archive("numbers", numbers.numbers);
  archive("contested", numbers.contested);
  archive("identities_disowned", numbers.identities_disowned);
  archive("rows_disowned", numbers.rows_disowned);
  archive("default_numbers", numbers.default_numbers);
  archive("rows_default", numbers.rows_default);
  archive("default_births", numbers.default_births);
}

template <typename Archive>
void fields(Archive& archive, LocalIdReport& local_ids) {
  archive("ids", local_ids.ids);
  archive("default_ids", local_ids.default_ids);
  archive("reused_ids", local_ids.reused_ids);
}

template <typename Archive>
void fields(Archive& archive, MoveCounts& moves) {
  constexpr std::array<std::string_view, kAddressClasses> kPostcodes = {"one_postcode", "two_postcodes",
                                                                        "more_postcodes"};
  constexpr std::array<std::string_view, 2> kRecords = {"without_provider", "with_provider"};
  constexpr std::array<std::string_view, kCompanyClasses> kCompany = {"alone", "with_one", "with_several",
                                                                      "with_one_known", "with_several_known"};
  archive.group("persons", [&](auto& persons) {
    for (std::size_t k = 0; k < kAddressClasses; ++k) persons(kPostcodes[k], moves.persons[k]);
  });
  for (std::size_t p = 0; p < kRecords.size(); ++p) {
    archive.group(kRecords[p], [&](auto& records) {
      records("held_out", moves.held_out[p].records);
      for (std::size_t k = 0; k < kAddressClasses; ++k) {
        records.group(kPostcodes[k], [&](auto& counts) {
          for (std::size_t c = 0; c < kCompanyClasses; ++c) counts(kCompany[c], moves.held_out[p].alone[k][c]);
        });
      }
    });
  }
}

template <typename Archive>
void fields(Archive& archive, DependenceReport& dependence) {
  archive("first", dependence.first);
  archive("second", dependence.second);
  archive("agree", dependence.agree);
  archive("first_disagrees", dependence.first_disagrees);
  archive("second_disagrees", dependence.second_disagrees);
  archive("disagree", dependence.disagree);
  archive("log_odds_ratio", dependence.log_odds_ratio);
  archive("standard_error", dependence.standard_error);
}

template <typename Archive>
void fields(Archive& archive, ModelReport& report) {
  archive("source", report.source);
  archive("reason", report.reason);
  archive("anchor_pairs", report.anchor_pairs);
  archive("different_births", report.different_births);
  archive("different_births_and_genders", report.different_births_and_genders);
  archive("log_likelihood", report.log_likelihood);
  archive("dependence", report.dependence);
}

template <typename Archive>
void fields(Archive& archive, EstimatedGroup& group) {
  archive("kind", group.kind);
  archive("name", group.name);
  archive("rows", group.rows);
  archive("wrong_rows", group.wrong_rows);
  archive("missed_rows", group.missed_rows);
}

template <typename Archive>
void fields(Archive& archive, ConsentReport& consent) {
  archive("ledger_version", consent.ledger_version);
  archive("entries", consent.entries);
  archive("coded_rows", consent.coded_rows);
  archive.group("without_effect", [&](auto& problems) {
    for (std::size_t p = 0; p < kEntryProblems; ++p) {
      problems(entry_problem_name(static_cast<EntryProblem>(p)), consent.problems[p]);
    }
  });
  archive.group("standing", [&](auto& kinds) {
    for (std::size_t k = 0; k < kObjectionKinds; ++k) {
      kinds(objection_kind_name(static_cast<ObjectionKind>(k)), consent.standing[k]);
    }
  });
  archive("rows_by_linkage", consent.rows_by_linkage);
  archive("identities_barred", consent.identities_barred);
  archive("identities_dropped", consent.identities_dropped);
  archive("identities_apart", consent.identities_apart);
  archive("changes", consent.changes);
  archive("changes_acknowledged", consent.changes_acknowledged);
  archive("acknowledgements_unused", consent.acknowledgements_unused);
  archive.unless_empty("counts_digest", consent.counts_digest);
}

template <typename Archive>
void fields(Archive& archive, DatasetReport& dataset) {
  archive("name", dataset.name);
  archive("events", dataset.events);
}

template <typename Archive>
void fields(Archive& archive, ClusterCounts& clusters) {
  archive("links_used", clusters.links_used);
  archive("vetoed_different_nhs", clusters.vetoed_different_nhs);
  archive("ambiguous_clusters", clusters.ambiguous_clusters);
  archive("returned", clusters.returned);
  archive("several_numbers", clusters.several_numbers);
}

template <typename Archive>
void fields(Archive& archive, InputFile& file) {
  archive("path", file.path);
  archive("extract", file.extract);
  archive("dataset", file.dataset);
  archive("compression", file.compression);
  archive("bytes", file.bytes);
}

template <typename Archive>
void fields(Archive& archive, FileReport& report) {
  archive("digest", report.digest);
  archive("rows", report.counts);
}

template <typename Archive>
void fields(Archive& archive, RowCounts& rows) {
  static_assert(kRowCounters == 15 + kQuarantineReasons, "a counter was added to RowCounts: list it here");
  archive("read", rows.read);
  archive("kept", rows.kept);
  archive("opted_out", rows.opted_out);
  archive("opted_out_by_linkage", rows.opted_out_by_linkage);
  archive.group("quarantined", [&](auto& reasons) {
    for (std::size_t r = 0; r < kQuarantineReasons; ++r) {
      reasons(quarantine_reason_name(static_cast<QuarantineReason>(r)), rows.quarantined[r]);
    }
  });
  archive("nhs_valid", rows.nhs_valid);
  archive("nhs_invalid", rows.nhs_invalid);
  archive("nhs_missing", rows.nhs_missing);
  archive("nhs_superseded", rows.nhs_superseded);
  archive("birth_missing", rows.birth_missing);
  archive("birth_placeholder", rows.birth_placeholder);
  archive("postcode_missing", rows.postcode_missing);
  archive("postcode_pseudo", rows.postcode_pseudo);
  archive("gender_missing", rows.gender_missing);
  archive("one_time", rows.one_time);
  archive("values_not_understood", rows.values_not_understood);
}

// The levels of one identifier, by name; level 0, missing, has no probabilities.
template <typename Level, typename Archive, std::size_t kLevels>
void level_fields(Archive& archive, std::string_view identifier, std::array<LevelProbabilities, kLevels>& levels) {
  archive.group(identifier, [&](auto& group) {
    for (std::size_t l = 1; l < kLevels; ++l) group(level_name(static_cast<Level>(l)), levels[l]);
  });
}

template <typename Archive>
void fields(Archive& archive, ModelParameters& model) {
  level_fields<NhsLevel>(archive, "nhs_number", model.nhs);
  level_fields<BirthLevel>(archive, "date_of_birth", model.birth);
  level_fields<PostcodeLevel>(archive, "postcode", model.postcode);
  level_fields<GenderLevel>(archive, "gender", model.gender);
  archive.group("wrong_number", [&](auto& levels) {
    for (std::size_t p = 0; p < kPostcodeLevels; ++p) {
      levels.group(level_name(static_cast<PostcodeLevel>(p)), [&](auto& genders) {
        for (std::size_t g = 0; g < kGenderLevels; ++g) {
          genders(level_name(static_cast<GenderLevel>(g)), model.wrong_number[p][g]);
        }
      });
    }
  });
  // By class of the postcode: how many bits rarer than the average it is at least.
  archive.group("siblings_at_postcode", [&](auto& classes) {
    for (std::size_t k = 0; k < kPostcodeClasses; ++k) {
      classes.group(std::to_string(static_cast<int>(k) - static_cast<int>(kPostcodeClasses) / 2), [&](auto& genders) {
        genders("missing", model.siblings_at_postcode[k][0]);
        genders("different", model.siblings_at_postcode[k][1]);
        genders("same", model.siblings_at_postcode[k][2]);
      });
    }
  });
  archive("prior", model.prior);
  archive("unnumbered", model.unnumbered);
  archive("neighbours_twins", model.neighbours_twins);
  archive("conflict_prior", model.conflict_prior);
  archive("conflict_of_two", model.conflict_of_two);
  archive("conflict_different_gender", model.conflict_different_gender);
  archive("elsewhere", model.elsewhere);
  archive.group("several_providers", [&](auto& datasets) {  // in the order of the job file
    for (std::size_t d = 0; d < model.several_providers.size(); ++d)
      datasets(std::to_string(d), model.several_providers[d]);
  });
  archive("provider_shared_by_one", model.provider_shared_by_one);
  archive("provider_shared_by_two", model.provider_shared_by_two);
  archive("several_rows_of_one", model.several_rows_of_one);
  archive("several_rows_of_two", model.several_rows_of_two);
  archive("several_patients", model.several_patients);
  archive("threshold_bits", model.threshold_bits);
  archive("margin_bits", model.margin_bits);
}

template <typename Archive>
void fields(Archive& archive, Manifest& manifest) {
  archive("software_version", manifest.software_version);
  archive("run_id", manifest.run_id);
  archive("job_name", manifest.job_name);
  archive("job_file", manifest.job_file);
  archive("started_utc", manifest.started_utc);
  archive("job_file_digest", manifest.job_file_digest);
  archive("input_digest", manifest.input_digest);
  archive("model_digest", manifest.model_digest);
  archive("key_id", manifest.key_id);
  archive("content_digest", manifest.content_digest);
  archive("secure", manifest.secure);
  archive("publish", manifest.publish);
  archive("as_at", manifest.as_at);
  archive("ranks", manifest.ranks);
  archive("threads_per_rank", manifest.threads_per_rank);
  archive("rows", manifest.rows);
  archive("identities", manifest.identities);
  archive("identity_records", manifest.identity_records);
  archive("identity_records_digest", manifest.identity_records_digest);
  archive("linkable_identities", manifest.linkable_identities);
  archive("distinct_nhs", manifest.distinct_nhs);
  archive("numbers", manifest.numbers);
  archive("local_ids", manifest.local_ids);
  archive("moves", manifest.moves);
  archive("passes", manifest.passes);
  archive("model", manifest.model);
  archive("estimation", manifest.estimation);
  archive("estimated", manifest.estimated);
  archive("components", manifest.components);
  archive("largest_component", manifest.largest_component);
  archive("component_rounds", manifest.component_rounds);
  archive("clusters", manifest.clusters);
  archive("screens", manifest.screens);
  archive("persons", manifest.persons);
  archive("persons_by_id_type", manifest.persons_by_id_type);
  archive("rows_linked", manifest.rows_linked);
  archive("rows_apart", manifest.rows_apart);
  archive("consent", manifest.consent);
  archive("practices_registered", manifest.practices_registered);
  archive("practices_silent", manifest.practices_silent);
  archive("providers_unregistered", manifest.providers_unregistered);
  archive("providers_late", manifest.providers_late);
  archive("providers_partial", manifest.providers_partial);
  archive("providers_digest", manifest.providers_digest);
  archive("stages", manifest.stages);
  archive("total_seconds", manifest.total_seconds);
  archive("peak_memory_bytes", manifest.peak_memory_bytes);
  archive("datasets", manifest.datasets);
  archive("files", manifest.files);
  archive("file_reports", manifest.file_reports);
}

class Writer {
 public:
  explicit Writer(Json& object) : object_(object) {}

  template <typename T>
  void operator()(std::string_view key, T& value) {
    object_[std::string(key)] = json_of(value);
  }
  void unless_empty(std::string_view key, std::string& text) {
    if (!text.empty()) (*this)(key, text);
  }
  template <typename Visit>
  void group(std::string_view key, const Visit& visit) {
    Json inner = Json::object();
    Writer writer(inner);
    visit(writer);
    object_[std::string(key)] = std::move(inner);
  }

 private:
  template <typename T>
  static Json json_of(T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      return value;
    } else if constexpr (std::is_same_v<T, Compression>) {
      return kCompressions[static_cast<std::size_t>(value)];
    } else if constexpr (std::is_same_v<T, Digest>) {
      return hex(value);
    } else {
      Json object = Json::object();
      Writer writer(object);
      fields(writer, value);
      return object;
    }
  }
  template <typename T>
  static Json json_of(std::vector<T>& values) {
    Json array = Json::array();
    for (T& value : values) array.push_back(json_of(value));
    return array;
  }

  Json& object_;
};

std::optional<std::uint64_t> hex_word(std::string_view text) {
  std::uint64_t word = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), word, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return word;
}

class Reader {
 public:
  Reader(const Json& object, std::string place) : object_(object), place_(std::move(place)) {
    if (!object.is_object()) wrong(place_, "not an object");
  }

  template <typename T>
  void operator()(std::string_view key, T& value) {
    const std::string place = place_.empty() ? std::string(key) : place_ + "." + std::string(key);
    value_of(member(key), place, value);
  }
  // Manifests of earlier versions have not all keys.
  void unless_empty(std::string_view key, std::string& text) {
    if (object_.contains(std::string(key))) (*this)(key, text);
  }
  template <typename Visit>
  void group(std::string_view key, const Visit& visit) {
    Reader inner(member(key), place_.empty() ? std::string(key) : place_ + "." + std::string(key));
    visit(inner);
  }

 private:
  const Json& member(std::string_view key) const {
    const auto found = object_.find(std::string(key));
    if (found == object_.end()) wrong(place_, "no key \"" + std::string(key) + "\"");
    return *found;
  }

  template <typename T>
  static void value_of(const Json& json, const std::string& place, T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      value = text_of(json, place);
    } else if constexpr (std::is_same_v<T, double>) {
      if (!json.is_number()) wrong(place, "not a number");
      value = json.get<double>();
    } else if constexpr (std::is_integral_v<T>) {
      if (!json.is_number_unsigned() || !std::in_range<T>(json.get<std::uint64_t>())) {
        wrong(place, "not a whole number in range");
      }
      value = static_cast<T>(json.get<std::uint64_t>());
    } else if constexpr (std::is_same_v<T, Compression>) {
      const auto name = std::find(kCompressions.begin(), kCompressions.end(), text_of(json, place));
      if (name == kCompressions.end()) wrong(place, "unknown compression");
      value = static_cast<Compression>(name - kCompressions.begin());
    } else if constexpr (std::is_same_v<T, Digest>) {
      const std::string text = text_of(json, place);
      const auto high = hex_word(std::string_view(text).substr(0, 16));
      const auto low = text.size() == 32 ? hex_word(std::string_view(text).substr(16)) : std::nullopt;
      if (!high || !low) wrong(place, "not a digest of 32 hexadecimal digits");
      value = {*high, *low};
    } else {
      Reader reader(json, place);
      fields(reader, value);
    }
  }
  template <typename T>
  static void value_of(const Json& json, const std::string& place, std::vector<T>& values) {
    if (!json.is_array()) wrong(place, "not an array");
    values.clear();
    for (std::size_t i = 0; i < json.size(); ++i) {
      value_of(json[i], place + "[" + std::to_string(i) + "]", values.emplace_back());
    }
  }
  static std::string text_of(const Json& json, const std::string& place) {
    if (!json.is_string()) wrong(place, "not a text");
    return json.get<std::string>();
  }

  const Json& object_;
  std::string place_;
};

// Everything that other parts of the program index into.
void check_references(const Manifest& manifest) {
  if (manifest.file_reports.size() != manifest.files.size()) wrong("file_reports", "not one a file");
  for (const InputFile& file : manifest.files) {
    if (file.dataset >= manifest.datasets.size()) wrong("files", "a file of an unknown dataset");
  }
}

}  // namespace

Manifest manifest_of_json(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Manifest manifest;
    Reader reader(json, "");
    fields(reader, manifest);
    check_references(manifest);
    return manifest;
  } catch (const Json::parse_error& error) {
    // The library's own message quotes the text around the mistake.
    throw Error("not JSON, at byte " + std::to_string(error.byte));
  } catch (const Json::out_of_range&) {
    throw Error("a number is too large to read");
  }
}

std::string to_json(const Manifest& manifest) {
  Json json = Json::object();
  Writer writer(json);
  Manifest copy = manifest;  // fields() lists what a reader fills as well
  fields(writer, copy);
  // A path need not be UTF-8; JSON must be.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_manifest(const Manifest& manifest) {
  const std::string text = to_json(manifest);
  write_file_durably(std::filesystem::path(manifest.secure) / kManifestFile, text, 0600);
  write_file_durably(std::filesystem::path(manifest.publish) / kManifestFile, text, 0644);
}

void remove_manifests(const std::filesystem::path& secure, const std::filesystem::path& publish) {
  for (const std::filesystem::path& folder : {publish, secure}) {  // runs are found by the published one
    if (std::filesystem::remove(folder / kManifestFile)) sync_folder(folder);
  }
}

Manifest read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kManifestFile;
  const std::string text = read_small_file(path, kLargestManifest);
  try {
    return manifest_of_json(text);
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what());
  }
}

bool manifests_agree(const std::filesystem::path& secure, const std::filesystem::path& publish) {
  return read_small_file(secure / kManifestFile, kLargestManifest) ==
         read_small_file(publish / kManifestFile, kLargestManifest);
}

}  // namespace ligature
