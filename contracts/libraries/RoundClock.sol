// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITrainingMarket} from "../interfaces/ITrainingMarket.sol";

/// @title RoundClock
/// @notice When a round's windows end. Each begins where the one before it ends, but for the commit window, which begins
/// as soon as no proposal's leaves are to be checked any more; an end is no longer inside. A round in which nothing is left
/// to decide ends at once.
///
///     proposal | opening | seeding | leaf check | commit | reveal | dispute, demands |
///              ^ proposalEndsAt    ^ seededAt                                        ^ ended
library RoundClock {
    function openingEndsAt(
        ITrainingMarket.Round storage round,
        ITrainingMarket.TaskParams storage params
    ) internal view returns (uint256) {
        return uint256(round.proposalEndsAt) + params.openingSeconds;
    }

    /// @notice The phase of a round that is not final.
    function phase(
        ITrainingMarket.Round storage round,
        ITrainingMarket.TaskParams storage params,
        uint256 maxSeedingSeconds
    ) internal view returns (ITrainingMarket.Phase) {
        uint256 time = block.timestamp;
        if (time < round.proposalEndsAt) return ITrainingMarket.Phase.Proposing;
        uint256 end = openingEndsAt(round, params);
        if (time < end) return ITrainingMarket.Phase.Opening;
        if (round.stage == ITrainingMarket.Stage.Proposed) {
            if (round.opened == 0 || time >= end + maxSeedingSeconds) return ITrainingMarket.Phase.Ended;
            return ITrainingMarket.Phase.Seeding;
        }
        end = uint256(round.seededAt) + params.leafCheckSeconds;
        if (time < end && round.opened != 0) return ITrainingMarket.Phase.LeafChecking;
        if (round.checked == 0) return ITrainingMarket.Phase.Ended;
        end += params.commitSeconds;
        if (time < end) return ITrainingMarket.Phase.Committing;
        end += params.revealSeconds;
        if (time < end) return ITrainingMarket.Phase.Revealing;
        end += params.disputeSeconds;
        if (time < end || time < round.disputesEndAt) return ITrainingMarket.Phase.Disputing;
        return ITrainingMarket.Phase.Ended;
    }
}
