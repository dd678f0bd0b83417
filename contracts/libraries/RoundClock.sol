// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITrainingMarket} from "../interfaces/ITrainingMarket.sol";

/// @title RoundClock
/// @notice When a round's windows end. Each begins where the one before it ends, but for the commit window, which begins
/// when the leaves are checked; an end is no longer inside.
///
///     proposal | opening | seeding | leaf check | commit | reveal | dispute |
///              ^ proposalEndsAt    ^ seededAt                               ^ ended
library RoundClock {
    function openingEndsAt(
        ITrainingMarket.Round storage round,
        ITrainingMarket.TaskParams storage params
    ) internal view returns (uint256) {
        return uint256(round.proposalEndsAt) + params.openingSeconds;
    }

    function leafCheckEndsAt(
        ITrainingMarket.Round storage round,
        ITrainingMarket.TaskParams storage params
    ) internal view returns (uint256) {
        return uint256(round.seededAt) + params.leafCheckSeconds;
    }

    function commitEndsAt(
        ITrainingMarket.Round storage round,
        ITrainingMarket.TaskParams storage params
    ) internal view returns (uint256) {
        return leafCheckEndsAt(round, params) + params.commitSeconds;
    }

    function revealEndsAt(
        ITrainingMarket.Round storage round,
        ITrainingMarket.TaskParams storage params
    ) internal view returns (uint256) {
        return commitEndsAt(round, params) + params.revealSeconds;
    }

    function disputeEndsAt(
        ITrainingMarket.Round storage round,
        ITrainingMarket.TaskParams storage params
    ) internal view returns (uint256) {
        return revealEndsAt(round, params) + params.disputeSeconds;
    }

    /// @notice The phase of a round that is not final.
    function phase(
        ITrainingMarket.Round storage round,
        ITrainingMarket.TaskParams storage params,
        uint256 maxSeedingSeconds
    ) internal view returns (ITrainingMarket.Phase) {
        ITrainingMarket.Stage stage = round.stage;
        uint256 time = block.timestamp;
        if (stage == ITrainingMarket.Stage.Sealed || stage == ITrainingMarket.Stage.Opened) {
            if (time < round.proposalEndsAt) return ITrainingMarket.Phase.Proposing;
            uint256 openingEnd = openingEndsAt(round, params);
            if (time < openingEnd) return ITrainingMarket.Phase.Opening;
            if (stage == ITrainingMarket.Stage.Sealed) return ITrainingMarket.Phase.Ended;
            return
                time < openingEnd + maxSeedingSeconds
                    ? ITrainingMarket.Phase.Seeding
                    : ITrainingMarket.Phase.Ended;
        }
        if (stage == ITrainingMarket.Stage.Seeded) {
            return
                time < leafCheckEndsAt(round, params)
                    ? ITrainingMarket.Phase.LeafChecking
                    : ITrainingMarket.Phase.Ended;
        }
        if (time < commitEndsAt(round, params)) return ITrainingMarket.Phase.Committing;
        if (time < revealEndsAt(round, params)) return ITrainingMarket.Phase.Revealing;
        if (time < disputeEndsAt(round, params)) return ITrainingMarket.Phase.Disputing;
        return ITrainingMarket.Phase.Ended;
    }
}
