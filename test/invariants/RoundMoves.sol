// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICommittee} from "../../contracts/interfaces/ICommittee.sol";
import {ILeafChecker} from "../../contracts/interfaces/ILeafChecker.sol";
import {ITrainingMarket, TaskId} from "../../contracts/interfaces/ITrainingMarket.sol";
import {Draws} from "../../contracts/libraries/Draws.sol";
import {LeafVerdict} from "../../contracts/libraries/LeafCheck.sol";
import {TaskMoves} from "./TaskMoves.sol";
import {TinyModels} from "./TinyModels.sol";

/// @title RoundMoves
/// @notice What takes a round on, from its first proposal to its end.
abstract contract RoundMoves is TaskMoves {
    using TinyModels for uint256;
    using TinyModels for TinyModels.Transition;

    /* ROUNDS */

    function _propose(Scene memory s) internal {
        bool isFirst = s.phase == ITrainingMarket.Phase.Idle;
        Ref memory ref = Ref(
            TaskId.unwrap(s.id),
            s.number + (isFirst ? 1 : 0),
            isFirst ? 0 : s.proposals.length
        );
        Candidate memory candidate;
        candidate.miner = accounts[FIRST_MINER + _below(MINERS)];
        candidate.salt = bytes32(random);
        int256[8] memory improvements = [int256(12), 12, 12, 25, 25, 3, 0, -9];
        candidate.improvement = improvements[_below(8)];
        candidate.transition = _someTransition(s, ref);
        uint256 depth = TinyModels.depthOf(s.task.head.parameterCount);
        candidate.fullRoot = candidate.transition.node(TinyModels.Tree.New, depth, 0);
        candidate.quantRoot = candidate.transition.node(TinyModels.Tree.Quant, depth, 0);
        candidate.updateRoot = candidate.transition.node(TinyModels.Tree.Update, depth, 0);
        bytes memory data = abi.encodeCall(
            ITrainingMarket.propose,
            (s.id, ref.number, _commitmentTo(s.id, ref.number, candidate))
        );
        bool ok = _act(Action.Propose, candidate.miner, address(MARKET), data);
        _require(!ok || isFirst || s.phase == ITrainingMarket.Phase.Proposing, "proposed in time");
        if (!ok) return;
        if (isFirst) moods[ref.task][ref.number] = _below(10);
        candidate.status = ITrainingMarket.Status.Sealed;
        candidate.bond = s.params.minerBond;
        bondsOf[candidate.miner] += candidate.bond;
        candidates[ref.task][ref.number][ref.index] = candidate;
        bonded.push(ref);
        _expect(candidate.miner, Purse.Wallet, -int256(uint256(s.params.proposalFee)));
        _checkRound(s);
    }

    function _commitmentTo(
        TaskId id,
        uint256 number,
        Candidate memory candidate
    ) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    block.chainid,
                    MARKET,
                    id,
                    number,
                    candidate.miner,
                    candidate.fullRoot,
                    candidate.quantRoot,
                    candidate.updateRoot,
                    "",
                    candidate.salt
                )
            );
    }

    /// @dev Mostly honest; else forged, a copy of another's, or no change at all.
    function _someTransition(
        Scene memory s,
        Ref memory ref
    ) internal returns (TinyModels.Transition memory t) {
        uint256 kind = _below(24);
        if (kind == 0 && ref.index != 0) {
            return candidates[ref.task][ref.number][_below(ref.index)].transition;
        }
        if (kind == 1 && ref.number > 1) {
            t = candidates[ref.task][ref.number - 1][0].transition;
            if (t.from == ghosts[ref.task].model) return t;
        }
        t = _honestTransition(s, kind == 2);
        if (kind < 18) return t;
        _forge(t, s.task.head.parameterCount, TinyModels.Forgery(1 + (kind - 18)));
    }

    function _honestTransition(
        Scene memory s,
        bool isIdle
    ) internal returns (TinyModels.Transition memory t) {
        t.from = ghosts[TaskId.unwrap(s.id)].model;
        t.to = t.from;
        for (uint256 place = 0; place < TinyModels.PLACES && !isIdle; place++) {
            uint256 live = TinyModels.liveBlocks(s.task.head.parameterCount, place);
            uint256 width = t.from.width(place);
            if (live == 0 || (width != 0 && width != live) || !t.from.isFinite(place)) continue;
            uint256 scale = 118 + _below(10);
            uint256 code = 1 + _below(7) + 8 * _below(2);
            t.update = t.update.set(place, scale | (code << 8), live);
            t.to = t.to.set(place, t.from.sum(place, scale, code), live);
        }
    }

    /// @dev Leaves the transition as it is where the place does not lend itself to the forgery.
    function _forge(
        TinyModels.Transition memory t,
        uint256 parameterCount,
        TinyModels.Forgery forgery
    ) internal {
        uint256 place = _below(1 << TinyModels.depthOf(parameterCount));
        uint256 live = TinyModels.liveBlocks(parameterCount, place);
        uint256 width = t.from.width(place);
        if (!t.from.isFinite(place)) return;
        if (forgery == TinyModels.Forgery.NonZeroPadding) {
            // Only where all is padding: then the sum is one value too.
            if (live != 0 || (width != 0 && width != TinyModels.BLOCKS)) return;
            t.update = t.update.set(place, 127 | (2 << 8), TinyModels.BLOCKS);
            t.to = t.to.set(place, t.from.sum(place, 127, 2), TinyModels.BLOCKS);
        } else if (forgery == TinyModels.Forgery.InvalidEncoding) {
            t.update = t.update.set(place, 1 | (9 << 8), 1);
        } else if (forgery == TinyModels.Forgery.NonFiniteSum) {
            if (live == 0 || t.from.value(place) < 0x7f000000 || t.from.value(place) > 0x7f7fffff) return;
            t.update = t.update.set(place, 252 | (7 << 8), live);
            t.to = t.to.set(place, t.from.value(place), width);
        } else if (forgery != TinyModels.Forgery.WrongQuantization) {
            bool isNaN = forgery == TinyModels.Forgery.NotANumber;
            uint256 value = isNaN ? 0x7fc00000 : t.to.value(place) ^ 0x00400000;
            t.to = t.to.set(place, value, t.to.width(place) == 0 ? TinyModels.BLOCKS : t.to.width(place));
        }
        t.forgery = forgery;
        t.place = uint8(place);
    }

    function _openProposal(Scene memory s, uint256 index) internal {
        uint256 id = TaskId.unwrap(s.id);
        Candidate storage candidate = candidates[id][s.number][index];
        bytes memory data = abi.encodeCall(
            ITrainingMarket.openProposal,
            (s.id, index, candidate.fullRoot, candidate.quantRoot, candidate.updateRoot, "", candidate.salt)
        );
        bool ok = _act(Action.OpenProposal, accounts[_below(ACCOUNTS)], address(MARKET), data);
        bool isSealed =
            index < s.proposals.length && s.proposals[index].status == ITrainingMarket.Status.Sealed;
        _require(ok == (isSealed && s.phase == ITrainingMarket.Phase.Opening), "opened in time");
        if (!ok) return;
        candidate.opened = true;
        Opened storage first = opened[id][s.task.headRound][candidate.fullRoot];
        if (first.miner == address(0)) first.miner = candidate.miner;
        else if (first.miner != candidate.miner) first.contested = true;
        _checkRound(s);
    }

    function _requestSeed(Scene memory s) internal {
        bytes memory data = abi.encodeCall(ITrainingMarket.requestSeed, (s.id));
        bool isLost = s.round.seedTicket != 0 && height > uint256(s.round.seedTicket) + 256;
        bool ok = _act(Action.RequestSeed, accounts[_below(ACCOUNTS)], address(MARKET), data);
        bool isDue = s.phase == ITrainingMarket.Phase.Seeding && (s.round.seedTicket == 0 || isLost);
        _require(ok == isDue, "seed requested when due");
        if (!ok) return;
        for (uint256 i = 0; i < s.proposals.length && isLost; i++) {
            if (s.proposals[i].status != ITrainingMarket.Status.Opened) continue;
            _expectSlash(s.proposals[i].miner, s.proposals[i].bond / 100, address(0));
        }
        _checkRound(s);
    }

    function _recordSeed(Scene memory s) internal {
        bytes memory data = abi.encodeCall(ITrainingMarket.recordSeed, (s.id));
        bool ok = _act(Action.RecordSeed, accounts[_below(ACCOUNTS)], address(MARKET), data);
        uint256 ticket = s.round.seedTicket;
        bool isReadable = ticket != 0 && height > ticket && height <= ticket + 256;
        _require(ok == (s.phase == ITrainingMarket.Phase.Seeding && isReadable), "seed recorded when known");
        if (ok) _checkRound(s);
    }

    function _checkLeaves(Scene memory s, uint256 index) internal {
        uint256 id = TaskId.unwrap(s.id);
        TinyModels.Transition memory t = candidates[id][s.number][index].transition;
        ILeafChecker.LeafOpening[] memory openings = new ILeafChecker.LeafOpening[](s.params.leafChecks);
        LeafVerdict verdict = LeafVerdict.Valid;
        for (uint256 j = 0; j < openings.length; j++) {
            uint256 drawn = Draws.draw(s.round.seed, Draws.LEAF, id, s.number, index, j);
            uint256 place = drawn % TinyModels.leafCount(s.task.head.parameterCount);
            openings[j] = t.open(TinyModels.depthOf(s.task.head.parameterCount), place);
            if (verdict == LeafVerdict.Valid) verdict = t.verdict(place);
        }
        bytes memory data = abi.encodeCall(ITrainingMarket.checkLeaves, (s.id, index, openings));
        bool ok = _act(Action.CheckLeaves, accounts[_below(ACCOUNTS)], address(MARKET), data);
        bool isOpened =
            index < s.proposals.length && s.proposals[index].status == ITrainingMarket.Status.Opened;
        _require(ok == (isOpened && s.phase == ITrainingMarket.Phase.LeafChecking), "leaves checked in time");
        if (!ok) return;
        if (verdict == LeafVerdict.NonFiniteOld) _expectPoison(s, address(0));
        else if (verdict != LeafVerdict.Valid) {
            _expectSlash(s.proposals[index].miner, s.proposals[index].bond, address(0));
        }
        ITrainingMarket.Outcome outcome = MARKET.proposal(s.id, s.number, index).outcome;
        if (verdict == LeafVerdict.Valid) _require(outcome == ITrainingMarket.Outcome.None, "leaves passed");
        else if (verdict != LeafVerdict.NonFiniteOld) {
            _require(outcome == ITrainingMarket.Outcome.Fraud, "leaves refuted");
        }
        _checkRound(s);
    }

    function _finalize(Scene memory s) internal {
        ICommittee.Attester[] memory attesters = COMMITTEE.attesters(s.id, s.number);
        uint256[] memory slashable = new uint256[](attesters.length);
        for (uint256 i = 0; i < attesters.length; i++) {
            slashable[i] = _slashable(s.id, attesters[i].account);
        }
        (bool isDemanded, ) = _demandOn(s);
        bytes memory data = abi.encodeCall(ITrainingMarket.finalize, (s.id));
        bool ok = _act(Action.Finalize, accounts[_below(ACCOUNTS)], address(MARKET), data);
        bool isDue = s.phase == ITrainingMarket.Phase.Ended && !isDemanded;
        _require(ok == isDue, "finalized when due");
        if (!ok) return;
        s.round.winner = MARKET.round(s.id, s.number).winner;
        ITrainingMarket.Proposal[] memory ended = MARKET.proposals(s.id, s.number);
        uint256 most = _expectMiners(s, ended);
        // With nothing left to attest there was no time to reveal.
        if (s.round.checked != 0) _expectVerifiers(s, ended, attesters, slashable);
        _requireShared(most);
        _checkRound(s);
        _checkPool(s.id);
    }

    /// @return most that anybody can have earned
    function _expectMiners(
        Scene memory s,
        ITrainingMarket.Proposal[] memory ended
    ) internal returns (uint256 most) {
        for (uint256 i = 0; i < ended.length; i++) {
            address miner = s.proposals[i].miner;
            uint256 bond = s.proposals[i].bond;
            ITrainingMarket.Status status = s.proposals[i].status;
            if (status == ITrainingMarket.Status.Sealed) _expectSlash(miner, bond, address(0));
            else if (status == ITrainingMarket.Status.Opened) {
                bool isSeeded = s.round.stage == ITrainingMarket.Stage.Seeded;
                _expectSlash(miner, isSeeded ? bond : 0, address(0));
            } else if (status == ITrainingMarket.Status.Checked) {
                most += s.params.proposalFee;
                if (ended[i].outcome == ITrainingMarket.Outcome.Rejected) {
                    _expectSlash(miner, (bond * s.params.rejectionBps) / 10_000, address(0));
                } else if (ended[i].outcome == ITrainingMarket.Outcome.Confirmed) {
                    _expectEarned(miner, s.params.minerReward);
                    most += s.params.minerReward + s.params.verifierReward;
                }
            }
        }
    }

    function _expectVerifiers(
        Scene memory s,
        ITrainingMarket.Proposal[] memory ended,
        ICommittee.Attester[] memory attesters,
        uint256[] memory slashable
    ) internal {
        bool[] memory isMismeasured = new bool[](ended.length);
        for (uint256 i = 0; i < attesters.length; i++) {
            if (!_ballotOf(s, attesters[i].account).revealed) continue;
            (uint64 lossBefore, ICommittee.Vote[] memory votes) = _votes(s, attesters[i].account);
            for (uint256 p = 0; p < ended.length; p++) {
                if (!_isMeasured(s, p, lossBefore, votes[p])) isMismeasured[p] = true;
            }
        }
        for (uint256 i = 0; i < attesters.length; i++) {
            address verifier = attesters[i].account;
            if (!_ballotOf(s, verifier).revealed) {
                uint256 penalty = s.params.missedRevealPenalty;
                _expectSlash(verifier, penalty < slashable[i] ? penalty : slashable[i], address(0));
                continue;
            }
            (, ICommittee.Vote[] memory votes) = _votes(s, verifier);
            for (uint256 p = 0; p < ended.length; p++) {
                if (s.proposals[p].status != ITrainingMarket.Status.Checked) continue;
                _allowVoter(s, verifier, votes[p].verdict, ended[p].outcome, isMismeasured[p]);
                if (_maySharePot(s, p, verifier, votes[p].verdict, ended[p].outcome)) {
                    uint256 pot = s.params.proposalFee;
                    if (p == s.round.winner) pot += s.params.verifierReward;
                    _allow(verifier, Purse.Balance, int256(pot));
                }
            }
        }
    }

    /// @dev Only a verdict against the outcome, or a measurement where somebody's was off, can cost anything.
    function _allowVoter(
        Scene memory s,
        address verifier,
        ICommittee.Verdict verdict,
        ITrainingMarket.Outcome outcome,
        bool isMismeasured
    ) internal {
        bool mayDeviate;
        if (outcome == ITrainingMarket.Outcome.Rejected) mayDeviate = verdict == ICommittee.Verdict.Positive;
        else if (outcome != ITrainingMarket.Outcome.Void) {
            mayDeviate =
                verdict == ICommittee.Verdict.Negative ||
                (verdict == ICommittee.Verdict.Positive && isMismeasured);
        }
        if (!mayDeviate) return;
        int256 penalty = int256(uint256(s.params.deviationPenalty));
        _allow(verifier, Purse.Stake, -penalty);
        _allow(BURN_ADDRESS, Purse.Balance, penalty);
    }

    function _maySharePot(
        Scene memory s,
        uint256 index,
        address verifier,
        ICommittee.Verdict verdict,
        ITrainingMarket.Outcome outcome
    ) internal view returns (bool) {
        if (verdict == ICommittee.Verdict.Positive) return true;
        if (outcome != ITrainingMarket.Outcome.Rejected) return false;
        return
            verdict == ICommittee.Verdict.Negative ||
            (verdict == ICommittee.Verdict.Unavailable &&
                DISPUTES.demandOf(s.id, s.number, index, verifier).count != 0);
    }

    /// @dev All that was lost is burned, and together nobody earned more than there was to share.
    function _requireShared(uint256 most) internal view {
        uint256 lost = 0;
        uint256 earned = 0;
        uint256 burned = 0;
        for (uint256 i = 0; i < accounts.length; i++) {
            uint256[3] storage before = known[accounts[i]];
            lost += before[uint256(Purse.Stake)] - VAULT.stakeOf(accounts[i]);
            uint256 gain = VAULT.balanceOf(accounts[i]) - before[uint256(Purse.Balance)];
            if (accounts[i] == BURN_ADDRESS) burned = gain;
            else earned += gain;
        }
        _requireEqual("burned", burned, lost);
        if (earned > most) revert Violated("earned", earned, most);
    }

    function _releaseBond(Ref memory ref) internal {
        TaskId id = TaskId.wrap(ref.task);
        ITrainingMarket.Task memory task = MARKET.task(id);
        ITrainingMarket.Proposal memory proposal = MARKET.proposal(id, ref.number, ref.index);
        bool isHead = task.headRound == ref.number && task.headProposal == ref.index && !task.closed;
        bool isDue =
            !isHead &&
                proposal.status == ITrainingMarket.Status.Final &&
                proposal.bond != 0 &&
                DISPUTES.openDemands(id, ref.number, ref.index) == 0;
        bytes memory data = abi.encodeCall(ITrainingMarket.releaseBond, (id, ref.number, ref.index));
        bool ok = _act(Action.ReleaseBond, accounts[_below(ACCOUNTS)], address(MARKET), data);
        _require(ok == isDue, "bond released when due");
        if (ok) _checkRound(_look(id));
    }

    /* ATTESTATION */

    function _commit(Scene memory s, address verifier) internal {
        Ballot storage ballot = _ballotOf(s, verifier);
        bool wasCommitted = ballot.committed;
        if (!wasCommitted) ballot.seed = random;
        bytes memory data = abi.encodeCall(
            ICommittee.commitAttestation,
            (s.id, s.number, _commitmentOf(s, verifier))
        );
        bool isDrawn = COMMITTEE.weightOf(s.id, s.number, verifier) != 0;
        bool ok = _act(Action.CommitAttestation, verifier, address(COMMITTEE), data);
        bool isDue = s.phase == ITrainingMarket.Phase.Committing && isDrawn && !wasCommitted;
        _require(ok == isDue, "committed when drawn");
        if (!ok) return;
        ballot.committed = true;
        _checkRound(s);
    }

    function _reveal(Scene memory s, address verifier) internal {
        Ballot storage ballot = _ballotOf(s, verifier);
        (uint64 lossBefore, ICommittee.Vote[] memory votes) = _votes(s, verifier);
        bytes memory data = abi.encodeCall(
            ICommittee.revealAttestation,
            (s.id, lossBefore, votes, bytes32(ballot.seed))
        );
        bool ok = _act(Action.RevealAttestation, verifier, address(COMMITTEE), data);
        bool isDue = s.phase == ITrainingMarket.Phase.Revealing && ballot.committed && !ballot.revealed;
        _require(ok == isDue, "revealed in time");
        if (!ok) return;
        ballot.revealed = true;
        _checkRound(s);
    }

    function _reportAbsence(Scene memory s, address verifier) internal {
        address reporter = accounts[_below(ACCOUNTS)];
        uint256 slashable = _slashable(s.id, verifier);
        bool isDrawn = COMMITTEE.weightOf(s.id, s.number, verifier) != 0;
        bool wasReported = COMMITTEE.attestation(s.id, s.number, verifier).reported;
        bytes memory data = abi.encodeCall(ICommittee.reportAbsence, (s.id, verifier));
        bool ok = _act(Action.ReportAbsence, reporter, address(COMMITTEE), data);
        bool isTime =
            s.phase == ITrainingMarket.Phase.Revealing || s.phase == ITrainingMarket.Phase.Disputing;
        bool isAbsent = isDrawn && !wasReported && !_ballotOf(s, verifier).committed;
        _require(ok == (isTime && isAbsent), "absence reported of who is absent");
        if (!ok) return;
        uint256 penalty = s.params.deviationPenalty;
        _expectSlash(verifier, penalty < slashable ? penalty : slashable, reporter);
        _checkRound(s);
        _checkPool(s.id);
    }

    function _ballotOf(Scene memory s, address verifier) internal view returns (Ballot storage) {
        return ballots[TaskId.unwrap(s.id)][s.number][verifier];
    }

    function _slashable(TaskId id, address verifier) internal view returns (uint256) {
        uint256 inPool = VAULT.pooled(address(COMMITTEE), TaskId.unwrap(id), verifier);
        return inPool + VAULT.accounts(verifier).withdrawing;
    }

    function _commitmentOf(Scene memory s, address verifier) internal view returns (bytes32) {
        (uint64 lossBefore, ICommittee.Vote[] memory votes) = _votes(s, verifier);
        bytes32 salt = bytes32(_ballotOf(s, verifier).seed);
        return
            keccak256(abi.encode(block.chainid, MARKET, s.id, s.number, verifier, lossBefore, votes, salt));
    }

    /// @dev Always the same for a round and a verifier: mostly the truth; else as the committee is inclined, or at odds.
    function _votes(
        Scene memory s,
        address verifier
    ) internal view returns (uint64 lossBefore, ICommittee.Vote[] memory votes) {
        uint256 id = TaskId.unwrap(s.id);
        uint256 entropy = uint256(keccak256(abi.encode(ballots[id][s.number][verifier].seed)));
        lossBefore = uint64(LOSS_BEFORE + (entropy % 16 == 0 ? 9 : (entropy >> 8) % 2));
        votes = new ICommittee.Vote[](s.proposals.length);
        for (uint256 i = 0; i < votes.length; i++) {
            Candidate storage candidate = candidates[id][s.number][i];
            if (candidate.miner == verifier) continue;
            entropy >>= 16;
            bool isHonest = candidate.transition.forgery == TinyModels.Forgery.None;
            uint256 mood = moods[id][s.number];
            if (entropy % 16 == 0 || mood == 9) votes[i].verdict = ICommittee.Verdict.Unavailable;
            else if (mood == 8 || (mood < 6 && !isHonest && entropy % 16 != 1)) {
                votes[i].verdict = ICommittee.Verdict.Negative;
                votes[i].reason = 3;
            } else {
                votes[i].verdict = ICommittee.Verdict.Positive;
                uint256 off = entropy % 16 == 2 ? 8 : (entropy >> 8) % 2;
                votes[i].lossAfter = uint64(uint256(int256(LOSS_BEFORE) - candidate.improvement) + off);
            }
        }
    }

    /// @dev Whether a vote's losses, if it has any, are the true ones but for a micro-nat.
    function _isMeasured(
        Scene memory s,
        uint256 index,
        uint64 lossBefore,
        ICommittee.Vote memory vote
    ) internal view returns (bool) {
        if (vote.verdict != ICommittee.Verdict.Positive) return true;
        int256 improvement = candidates[TaskId.unwrap(s.id)][s.number][index].improvement;
        uint256 lossAfter = uint256(int256(LOSS_BEFORE) - improvement);
        return
            lossBefore - LOSS_BEFORE <= s.params.toleranceMicroNats &&
            vote.lossAfter - lossAfter <= s.params.toleranceMicroNats;
    }

    /// @dev The round's fees and bonds go back, the rest is the owner's; a miner that made the head loses its bond.
    function _expectPoison(Scene memory s, address prover) internal {
        _require(!ghosts[TaskId.unwrap(s.id)].model.isFinite(), "the head is poisoned");
        uint256 rest = s.task.escrow;
        if (s.number != 0 && s.round.stage != ITrainingMarket.Stage.Final) {
            rest += s.params.minerReward + s.params.verifierReward;
            for (uint256 i = 0; i < s.proposals.length; i++) {
                if (s.proposals[i].status == ITrainingMarket.Status.Final) rest += s.params.proposalFee;
                else _expectEarned(s.proposals[i].miner, s.params.proposalFee);
            }
        }
        _expectEarned(s.task.owner, rest);
        _expectSlash(s.head.miner, s.head.bond, prover);
    }
}
