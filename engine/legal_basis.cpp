// Sources: Health and Social Care Act 2012, section 261; NHS Act 2006, section 251; the Health Service (Control of
// Patient Information) Regulations 2002 (SI 2002/1438), regulations 3 and 5.  The national data opt-out policy leaves
// out data required by law and communicable disease and other risks to public health, and so did type 2 objections.
// Consent is not among them: it would need the list of those who gave it.
#include "engine/legal_basis.hpp"

#include <array>

namespace ligature {

std::span<const LegalBasis> legal_bases() noexcept {
  static constexpr std::array<LegalBasis, 4> kBases = {
      {{"section-261", "Health and Social Care Act 2012, section 261: data that identify nobody", false, true},
       {"section-251", "NHS Act 2006, section 251: support of the Confidentiality Advisory Group", true, true},
       {"regulation-3", "SI 2002/1438, regulation 3: communicable disease and other risks to public health", true,
        false},
       {"court-order", "order of a court, or other requirement of law", true, false}}};
  return kBases;
}

}  // namespace ligature
