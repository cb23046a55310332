// Agreements: what each key means, and every way to be refused, with its place.
#include "io/agreement.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

DayNumber day(int year, int month, int of_month) {
  return *day_number({year, month, of_month});
}

Releasable releasable() {
  Releasable all;
  all.today = day(2014, 6, 1);
  all.area = true;
  all.datasets = {{"gp", {{"event_date", false, true}, {"code", true, false}, {"amount", false, false}}},
                  {"ae", {{"provider", true, false}}}};
  all.customers = {{"University of Leeds", "researcher", "asthma admissions"},
                   {"University of Leeds", "researcher", "twins"},
                   {"Acme Ltd", "company", "trial feasibility"}};
  return all;
}

constexpr const char* kExtract = R"([agreement]
id             = "DARS-1"
recipient      = "University of Leeds"
recipient_type = "researcher"
purpose        = "asthma admissions"
legal_basis    = "section-261"
start          = 2014-04-01
expiry         = 2015-03-31
form           = "extract"
format         = "csv"
rules          = "k-anonymity v1"
k              = 5
key            = "leeds.key"
[persons]
columns  = ["age_band", "sex", "area"]
age_band = 5
[cohort]
born_from = 1950
sex       = ["female"]
datasets  = ["gp"]
[[dataset]]
name    = "gp"
columns = ["row_id", "event_date", "code"]
dates   = "month"
)";

constexpr const char* kAggregate = R"([agreement]
id             = "DARS-2"
recipient      = "Acme Ltd"
recipient_type = "company"
purpose        = "trial feasibility"
legal_basis    = "section-261"
start          = 2014-04-01
expiry         = 2015-03-31
form           = "aggregate"
rules          = "hes-2018 v1"
[[table]]
name       = "persons"
count      = "persons"
dimensions = ["area", "sex"]
[[table]]
name       = "events"
count      = "events"
dataset    = "gp"
dimensions = ["code", "event_date"]
dates      = "year"
)";

// The text with one line in place of the line that begins with a key; without one it is taken out.
std::string with(std::string text, const std::string& key, const std::string& line) {
  std::size_t begin = 0;
  while (text.compare(begin, key.size(), key) != 0) begin = text.find('\n', begin) + 1;
  const std::size_t end = text.find('\n', begin) + 1;
  return text.replace(begin, end - begin, line.empty() ? "" : line + "\n");
}

std::string refusal(const std::string& text, const Releasable& all = releasable()) {
  try {
    parse_agreement(text, "/nowhere/a.toml", all);
    return {};
  } catch (const UsageError& error) {
    return error.what();
  }
}

void expect_refused(const std::string& text, const std::string& why, const Releasable& all = releasable()) {
  const std::string said = refusal(text, all);
  EXPECT_NE(said.find(why), std::string::npos) << "said: " << said << "\nnot: " << why;
}

TEST(AgreementFile, says_what_is_released_to_whom) {
  const Agreement extract = parse_agreement(kExtract, "/nowhere/a.toml", releasable());
  EXPECT_EQ(extract.id, "DARS-1");
  EXPECT_EQ(extract.recipient_type, RecipientType::researcher);
  EXPECT_EQ(extract.legal_basis->name, "section-261");
  EXPECT_EQ(extract.start, day(2014, 4, 1));
  EXPECT_EQ(extract.form, ReleaseForm::extract);
  EXPECT_EQ(extract.format, ReleaseFormat::csv);
  EXPECT_EQ(extract.key, "/nowhere/leeds.key");
  EXPECT_EQ(extract.k, 5U);
  EXPECT_EQ(extract.rules_name(), "k-anonymity v1");
  EXPECT_EQ(extract.person_columns,
            (std::vector<PersonColumn>{PersonColumn::age_band, PersonColumn::sex, PersonColumn::area}));
  EXPECT_EQ(extract.age_band, 5);
  EXPECT_EQ(extract.cohort.born_from, 1950);
  EXPECT_EQ(extract.cohort.sexes, std::vector<std::uint8_t>{2});
  ASSERT_EQ(extract.datasets.size(), 1U);
  EXPECT_EQ(extract.datasets[0].dates, EventDatePolicy::month);

  const Agreement aggregate = parse_agreement(kAggregate, "/nowhere/a.toml", releasable());
  EXPECT_EQ(aggregate.rules, DisclosureRules::hes_2018_v1);
  ASSERT_EQ(aggregate.tables.size(), 2U);
  EXPECT_EQ(aggregate.tables[1].count, TableCount::events);
  EXPECT_EQ(aggregate.tables[1].dates, EventDatePolicy::year);
}

TEST(AgreementFile, without_what_every_release_must_have_is_refused) {
  for (const char* key : {"id", "recipient ", "recipient_type", "purpose", "legal_basis", "start", "expiry", "form "}) {
    std::string name = key;
    while (name.ends_with(' ')) name.pop_back();
    expect_refused(with(kExtract, key, ""), "'" + name + "' in [agreement] is required");
  }
  expect_refused(with(kExtract, "k  ", ""), "'k' in [agreement] is required of an extract");
  expect_refused(with(kExtract, "key", ""), "'key' in [agreement] is required");
  expect_refused(with(kExtract, "rules", ""), "'rules' in [agreement] must be \"k-anonymity v1\"");
  expect_refused("", "'id' in [agreement] is required");
}

TEST(AgreementFile, that_has_expired_or_not_begun_is_refused_with_the_date_and_the_place) {
  EXPECT_EQ(refusal(with(kExtract, "expiry", "expiry = 2014-05-31")),
            "/nowhere/a.toml:8:10: the agreement expired on 2014-05-31");
  EXPECT_EQ(refusal(with(kExtract, "expiry", "expiry = 2014-06-01")), "");  // its last day
  EXPECT_EQ(refusal(with(kExtract, "start", "start = 2014-06-02")),
            "/nowhere/a.toml:7:9: the agreement starts on 2014-06-02 only");
  expect_refused(with(kExtract, "expiry", "expiry = 2014-03-01"), "expires before it starts");
  expect_refused(with(kExtract, "expiry", "expiry = 9999-01-01"), "must be a date from 1895-01-01 to 2074-06-05");
}

TEST(AgreementFile, naming_a_column_that_is_not_there_is_refused_with_the_nearest) {
  expect_refused(with(kExtract, "columns = [\"row", "columns = [\"cod\"]"),
                 "a.toml:23:11: there is no column 'cod' in dataset 'gp'; did you mean 'code'?");
  expect_refused(with(kExtract, "columns = [\"row", "columns = [\"nhs_number\"]"), "there is no column 'nhs_number'");
  expect_refused(with(kExtract, "columns = [\"row", "columns = [\"person\"]"), "there is no column 'person'");
  expect_refused(with(kExtract, "columns = [\"row", "columns = [\"code\", \"code\"]"), "'code' is named twice");
  expect_refused(with(kExtract, "name ", "name = \"gb\""), "there is no dataset 'gb'; did you mean 'gp'?");
  expect_refused(with(kExtract, "dates", ""), "'dates' in [[dataset]] is required where a date is named");
  expect_refused(with(kExtract, "columns  =", "columns = [\"postcode\"]"), "'columns' in [persons] must be one of");
  expect_refused(with(kExtract, "k  ", "k = 5\nkk = 5"), "unknown key 'kk' in [agreement]; did you mean 'k'");
}

TEST(AgreementFile, of_a_recipient_or_purpose_that_is_not_on_the_register_is_refused) {
  expect_refused(with(kExtract, "recipient ", "recipient = \"University of Leed\""),
                 "is not on the register of approved customers; did you mean 'University of Leeds'?");
  expect_refused(with(kExtract, "purpose", "purpose = \"marketing\""),
                 "'marketing' is not a purpose that the register of approved customers lists for University of Leeds");
  expect_refused(with(kExtract, "purpose", "purpose = \"trial feasibility\""), "is not a purpose");  // another's
  expect_refused(with(kExtract, "recipient_type", "recipient_type = \"company\""),
                 "the register of approved customers has University of Leeds as a researcher");
}

TEST(AgreementFile, whose_form_and_content_do_not_go_together_is_refused) {
  expect_refused(with(kExtract, "form ", "form = \"aggregate\""), "only an extract has a 'k'");
  expect_refused(with(kExtract, "form ", "form = \"identifiable\""), "does not allow identifiers to be released");
  expect_refused(std::string(kExtract) + "[identifiers]\ncolumns = [\"nhs_number\"]\n",
                 "identifiers are released only in an agreement with form = \"identifiable\"");
  expect_refused(std::string(kExtract) + "[[table]]\nname = \"t\"\ncount = \"persons\"\ndimensions = [\"sex\"]\n",
                 "only an aggregate has a [[table]]");
  expect_refused(std::string(kAggregate) + "[[dataset]]\nname = \"gp\"\ncolumns = [\"code\"]\n",
                 "an aggregate has tables, and no [[dataset]]");
  expect_refused(with(kAggregate, "rules", "rules = \"suppress-1-5 v2\""), "did you mean \"suppress-1-5 v1\"");
  expect_refused(with(kAggregate, "rules", "rules = \"k-anonymity v1\""), "must be \"suppress-1-5 v1\"");
  expect_refused(with(kAggregate, "dimensions = [\"area", "dimensions = [\"code\"]"),
                 "persons cannot be counted by 'code'");
  expect_refused(with(kAggregate, "dimensions = [\"code", "dimensions = [\"amount\"]"),
                 "events cannot be counted by 'amount'");
  expect_refused(with(kAggregate, "dates", ""), "'dates' in [[table]] is required");
}

TEST(AgreementFile, may_name_identifiers_only_under_a_legal_basis_that_allows_them) {
  std::string text = with(with(with(kExtract, "form ", "form = \"identifiable\""), "k  ", ""), "rules", "") +
                     "[identifiers]\ncolumns = [\"nhs_number\", \"date_of_birth\"]\n";
  expect_refused(text, "legal basis section-261 does not allow identifiers");
  text = with(text, "legal_basis", "legal_basis = \"section-251\"");
  const Agreement agreement = parse_agreement(text, "/nowhere/a.toml", releasable());
  EXPECT_EQ(agreement.identifiers.size(), 2U);
  EXPECT_TRUE(agreement.legal_basis->objections_apply);
  expect_refused(with(text, "legal_basis", "legal_basis = \"because we may\""),
                 "'legal_basis' in [agreement] must be one of");
}

TEST(AgreementFile, of_hostile_names_and_sizes_is_refused) {
  for (const char* id : {"../../etc", "a/b", ".hidden", "-rf", "a b"}) {
    expect_refused(with(kExtract, "id", "id = \"" + std::string(id) + "\""), "'id' in [agreement] may hold letters");
  }
  expect_refused(with(kExtract, "id", "id = \"" + std::string(65, 'x') + "\""), "64 at most");
  expect_refused(with(kAggregate, "name       = \"persons", "name = \"../x\""), "the name of a table");
  expect_refused(with(kAggregate, "name       = \"persons", "name = \"events\""), "two tables are called 'events'");
  expect_refused(with(kExtract, "k  ", "k = 1"), "'k' in [agreement] must be from 2");
  expect_refused(with(kExtract, "k  ", "k = -5"), "'k' in [agreement] must be from 2");
  expect_refused(with(kExtract, "purpose", "purpose = \"a\\u0007b\""), "control character");
  expect_refused("[agreement\n", "a.toml:1:");
}

TEST(Customers, are_read_and_a_register_that_contradicts_itself_is_refused) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const std::filesystem::path path = folder.path() / "customers.csv";
  const auto said = [&](const std::string& rows) {
    write_file_durably(path, "recipient,recipient_type,purpose\n" + rows, 0600);
    try {
      read_customers(path);
      return std::string();
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(said("Acme Ltd,company,trials\nAcme Ltd,company,audit\n"), "");
  EXPECT_EQ(read_customers(path).size(), 2U);
  EXPECT_NE(said("Acme Ltd,company,trials\nAcme Ltd,company,trials\n").find("customers.csv:3: the same recipient and"),
            std::string::npos);
  EXPECT_NE(said("Acme Ltd,company,trials\nAcme Ltd,researcher,x\n").find("another type"), std::string::npos);
  for (const std::string other : {"acme LTD", "Acme  Ltd.", "Acme\u00A0Ltd", "Ac\u00ADme Ltd"}) {  // under two names
    EXPECT_NE(said("Acme Ltd,company,trials\n" + other + ",company,audit\n").find("spelt otherwise"),
              std::string::npos);
    EXPECT_TRUE(same_recipient("Acme Ltd", other));
  }
  EXPECT_FALSE(same_recipient("Acme Ltd", "Acne Ltd"));
  EXPECT_EQ(said("\u00C9cole de Sant\u00E9,researcher,x\n\u0141\u00F3d\u017A \u2013 Stra\u00DFe,researcher,x\n"), "");
  for (const std::string other : {"\u00E9cole de sant\u00E9", "\u00C9COLE DE SANT\u00C9", "Ecole de Sante"}) {
    EXPECT_NE(said("\u00C9cole de Sant\u00E9,researcher,x\n" + other + ",researcher,y\n").find("spelt otherwise"),
              std::string::npos);
  }
  EXPECT_TRUE(same_recipient("\u0141\u00F3d\u017A Stra\u00DFe \u0152uvre", "\u0142\u00D3D\u0179 STRASSE OEUVRE"));
  EXPECT_TRUE(same_recipient("\u0130stanbul \u0178 \u0174rexham", "\u0131STANBUL \u00FF \u0175rexham"));
  EXPECT_FALSE(same_recipient("\u00C9cole", "\u00C8cluse"));
  // Spaces of other scripts, a mark of its own, letters that look like others or are wider.
  for (const std::string name : {"Acme\u3000Ltd", "Acme\u1680Ltd", "E\u0301cole", "\u0410cme", "\u0391cme", "\uFF21cme",
                                 "\u1E9E", "\U0001D400cme"}) {
    EXPECT_NE(said(name + ",company,trials\n").find(":2: the recipient has a character that"), std::string::npos);
  }
  EXPECT_NE(said("Acme Ltd,charity,trials\n").find(":2: recipient_type must be"), std::string::npos);
  EXPECT_NE(said("Acme Ltd,company,\n").find(":2: an entry lacks a value"), std::string::npos);
  EXPECT_NE(said("Acme Ltd,company\n").find(":2: not a row of the table"), std::string::npos);
  EXPECT_NE(said("Acme\xFF,company,x\n").find(":2: not a row of the table"), std::string::npos);
  EXPECT_NE(said("Acme\x07,company,x\n").find(":2: an entry is not plain UTF-8 text"), std::string::npos);
  write_file_durably(path, "who,why\n", 0600);
  EXPECT_THROW(read_customers(path), UsageError);
  EXPECT_THROW(read_customers(folder.path() / "none.csv"), UsageError);
}

}  // namespace
}  // namespace ligature
