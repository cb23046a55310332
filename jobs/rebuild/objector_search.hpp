// The rows of objectors that do not carry their number: found by linkage, and dropped.
//
// An objection binds the person.  Rows that carry the number of a standing type 1 objection are barred as they are
// read; of them only their identifiers stay, as suppressed identities.  These are compared and clustered with all
// others, on edges of their own, which displace no edge between identities of kept rows.  Where a cluster holds the
// number of an objector, the rows of its other identities are held to the ledger by the days of their extracts, and
// those that the objection bars are dropped; a number that others have the better claim to counts where the cluster has
// no other.  Then the component is resolved again from what is left, so that what was barred or dropped puts no two
// kept rows together and keeps none apart.
//
// An identity that fits an objector and somebody else equally well stays apart from both, as it would from any two
// persons: it is not known to be the objector's, so it is kept, and not known to be the other's, so it is not linked.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "engine/consent.hpp"
#include "io/intake.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/component.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"
#include "partition/components.hpp"

namespace ligature {

// What the search found, over all ranks.
struct ObjectorReport {
  std::uint64_t rows = 0;        // dropped
  std::uint64_t identities = 0;  // that kept rows had and no row has any more
  std::uint64_t suppressed = 0;  // identities that only barred rows have
  std::uint64_t ambiguous = 0;   // identities that an objector and somebody else claim equally: kept apart
};

class ObjectorSearch {
 public:
  // Keeps references to ledger, rows and intake, whose counts it corrects.
  ObjectorSearch(const ObjectionLedger& ledger, AfterOptOut policy, RowStore& rows, IntakeReport& intake);
  // This rank's edges with a suppressed identity at an end.
  void take_edges(std::vector<Edge>&& suppressed) { suppressed_ = std::move(suppressed); }

  // In this order, called by resolve_clusters:
  void add_pairs(std::vector<NodePair>& pairs) const;
  // Collective.  component_of: by owned identity.
  void bring_edges(const Communicator& comm, const Identities& identities, std::span<const std::uint64_t> component_of,
                   const std::function<int(std::uint64_t)>& component_rank);
  // Fetches what tells whether the ledger speaks of an identity: worth it some nodes before set_aside is asked.
  void prefetch(const ComponentNode& node) const noexcept { ledger_.prefetch(node.counted.identity.valid_nhs()); }
  // True if the component has a suppressed identity or the number of an objector: settle will resolve it.  Thread-safe.
  bool set_aside(std::span<const ComponentNode> nodes, std::vector<Edge>& edges);
  // Collective.  Drops the rows of objectors, and resolves what is left of the components set aside.  Identities keep
  // their numbers; those without rows become suppressed.
  void settle(const Communicator& comm, Identities& identities, const LinkageModel& model,
              std::span<const PatientSet> patients, ClusterCounts& counts, PersonDrafts& drafts);

  // Collective.  Instead of all of the above, on a run that goes on after it: drops these rows of this rank (ascending)
  // from the store and from local_of_row.  What is left of identities is the caller's to restore.
  void drop_again(const Communicator& comm, Identities& identities, std::vector<std::uint32_t>&& rows,
                  const ObjectorReport& report);

  [[nodiscard]] const ObjectorReport& report() const noexcept { return report_; }
  // This rank's rows that were dropped, ascending, by their place before it.
  [[nodiscard]] const std::vector<std::uint32_t>& dropped_rows() const noexcept { return dropped_; }

 private:
  struct Component {
    std::vector<ComponentNode> nodes;
    std::vector<Edge> edges, suppressed;
    std::vector<ClusterResult> clusters;  // with what is suppressed
  };
  // An identity that is an objector's by linkage.
  struct Claimed {
    IdentityId id = 0;
    std::uint64_t nhs = 0;    // of the objector
    IdentifierStates states;  // of the identity's identifiers, once its owner has told them
  };
  struct Left {
    std::uint32_t rows = 0, datasets = 0;
  };

  [[nodiscard]] std::vector<Claimed> claims_of(const Component& component) const;
  // Returns how many identities stay apart though barred rows have a part in it.
  static std::uint64_t resolve_rest(const Component& component, ComponentResolver& resolver);
  std::vector<Left> drop_rows(const Communicator& comm, Identities& identities, std::vector<Claimed>&& claimed);
  static ToldLocals<Claimed> bring_claims(const Communicator& comm, const Identities& identities,
                                          std::span<const Claimed> received);
  // A row of a claimed identity, and whether the ledger bars it.
  struct ClaimedRow {
    std::uint32_t row = 0;
    bool barred = false;
  };
  std::vector<ClaimedRow> claimed_rows(const Identities& identities, const ToldLocals<Claimed>& claims) const;
  // states_of_row(i): of the identifiers of the i-th row dropped.
  template <typename StatesOf>
  void forget(const Communicator& comm, Identities& identities, const StatesOf& states_of_row);

  const ObjectionLedger& ledger_;
  AfterOptOut policy_;
  RowStore& rows_;
  IntakeReport& intake_;
  std::vector<Edge> suppressed_;
  std::vector<ComponentEdge> component_edges_;  // sorted by component
  std::vector<Component> components_;
  std::vector<std::uint32_t> dropped_;
  std::mutex mutex_;
  ObjectorReport report_;
};

// Collective.  Drops the rows whose number a standing objection bars, and keeps their identifiers: what intake does
// where the ledger is whole before the first row is read.  Corrects the counts of intake.
void bar_rows(const Communicator& comm, const ObjectionLedger& ledger, AfterOptOut policy, RowStore& rows,
              IntakeReport& intake);

}  // namespace ligature
