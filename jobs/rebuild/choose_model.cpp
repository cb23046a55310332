#include "jobs/rebuild/choose_model.hpp"

#include <string>

#include "engine/anchored_estimate.hpp"
#include "engine/dependence.hpp"
#include "engine/one_provider.hpp"
#include "engine/same_provider.hpp"
#include "jobs/rebuild/expectation.hpp"

namespace ligature {

ModelParameters choose_model(const Communicator& comm, const JobFile& job, const Identities& identities,
                             const Survey& survey, ModelReport& report) {
  const ModelParameters documented = documented_model(survey.file);
  const AnchoredEstimate anchored = estimate_anchored(
      documented, survey.same_number, job.model.providers ? survey.same_provider : SameProviderCounts());
  report.anchor_pairs = anchored.pairs;
  report.different_births = anchored.different_births;
  report.different_births_and_genders = anchored.different_births_and_genders;
  report.log_likelihood = anchored.log_likelihood;
  ModelParameters model = documented;
  const EstimateChoice wanted = job.model.estimate;
  if (anchored.usable && (wanted == EstimateChoice::automatic || wanted == EstimateChoice::anchored)) {
    model = anchored.parameters;
    report.source = "anchored";
    report.reason = "enough records share a valid NHS number";
  } else if (wanted == EstimateChoice::documented || wanted == EstimateChoice::anchored) {
    report.source = "documented";
    report.reason =
        wanted == EstimateChoice::documented ? "the job file says so" : "too few records share a valid number";
  } else {
    const ExpectationResult expectation = estimate_from_pairs(comm, identities, survey, anchored.parameters);
    report.log_likelihood = expectation.log_likelihood;
    report.source = expectation.usable ? "em" : "documented";
    report.reason = expectation.usable ? "over all pairs of the file"
                    : wanted == EstimateChoice::automatic
                        ? "too few records share a valid number, and: " + expectation.problem
                        : expectation.problem;
    if (expectation.usable) model = expectation.parameters;
  }
  set_conflicts(survey.file, model);
  for (const Dependence& dependence : measure_dependence(survey.same_number)) {
    const Association& errors = dependence.alike;
    report.dependence.push_back({std::string(dependence.first), std::string(dependence.second), errors.agree,
                                 errors.first_disagrees, errors.second_disagrees, errors.disagree,
                                 errors.log_odds_ratio, errors.standard_error});
  }
  if (job.threshold_bits) model.threshold_bits = *job.threshold_bits;
  if (job.margin_bits) model.margin_bits = *job.margin_bits;
  if (job.prior) model.prior = *job.prior;
  if (!job.model.twins) model.siblings_at_postcode = {};
  set_several_rows(survey.same_provider, model);
  if (job.model.providers) {
    model.several_providers = several_providers(survey.providers);
    set_same_provider(survey.same_provider, model);
  }
  apply_levels(job.model, model);
  return model;
}

}  // namespace ligature
