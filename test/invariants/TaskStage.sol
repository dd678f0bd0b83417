// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ICommittee} from "../../contracts/interfaces/ICommittee.sol";
import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {ITrainingMarket, TaskId} from "../../contracts/interfaces/ITrainingMarket.sol";
import {TinyModels} from "./TinyModels.sol";
import {VaultMoves} from "./VaultMoves.sol";

/// @title TaskStage
/// @notice Who plays a training market, what is known of them beside what the contracts say, and what must hold of a task after every call.
abstract contract TaskStage is VaultMoves {
    using TinyModels for TinyModels.Transition;

    /* TYPES */

    /// @dev Behind those of `VaultMoves`.
    enum Action {
        RegisterTask,
        FundTask,
        RequestClose,
        CloseTask,
        Propose,
        OpenProposal,
        RequestSeed,
        RecordSeed,
        CheckLeaves,
        Finalize,
        ReleaseBond,
        Enrol,
        Disenrol,
        CommitAttestation,
        RevealAttestation,
        ReportAbsence,
        ProveFraud,
        ProvePoison,
        Demand,
        Answer,
        CloseDemand,
        Trespass
    }

    /// @dev A task as it is before a call.
    struct Scene {
        TaskId id;
        uint256 number;
        ITrainingMarket.Phase phase;
        ITrainingMarket.Task task;
        ITrainingMarket.TaskParams params;
        ITrainingMarket.Round round;
        ITrainingMarket.Proposal[] proposals;
        ITrainingMarket.Proposal head;
    }

    struct Ref {
        uint256 task;
        uint256 number;
        uint256 index;
    }

    /// @dev What is known of a task beside what the market says.
    /// @param kind of its parameters
    /// @param model behind the head's root
    /// @param rank how far its last round was seen to be
    struct TaskGhost {
        uint256 kind;
        uint256 model;
        bytes32 fullRoot;
        uint256 headRound;
        uint256 round;
        uint256 rank;
    }

    /// @param improvement that honest verifiers measure, but for a micro-nat
    struct Candidate {
        TinyModels.Transition transition;
        address miner;
        bytes32 fullRoot;
        bytes32 quantRoot;
        bytes32 updateRoot;
        bytes32 salt;
        int256 improvement;
        uint256 bond;
        bool opened;
        ITrainingMarket.Status status;
        ITrainingMarket.Outcome outcome;
    }

    /// @param seed of the votes
    struct Ballot {
        uint256 seed;
        bool committed;
        bool revealed;
    }

    struct OpenDemand {
        Ref ref;
        address demander;
        uint256 deposit;
        uint256 leafIndex;
    }

    /// @param contested opened by two miners
    struct Opened {
        address miner;
        bool contested;
    }

    /* CONSTANTS */

    /// @dev Of the accounts: two owners, five miners, six verifiers of whom the first is the last miner too, and one that
    /// only watches.
    uint256 internal constant ACCOUNTS = 13;
    uint256 internal constant OWNERS = 2;
    uint256 internal constant FIRST_MINER = 2;
    uint256 internal constant MINERS = 5;
    uint256 internal constant FIRST_VERIFIER = 6;
    uint256 internal constant VERIFIERS = 6;

    uint256 internal constant LOSS_BEFORE = 1_000;

    /* IMMUTABLES */

    ITrainingMarket internal immutable MARKET;
    ICommittee internal immutable COMMITTEE;
    IDisputes internal immutable DISPUTES;

    /* STORAGE */

    uint256[] internal openTasks;

    /// @dev Proposals with a bond, in any round.
    Ref[] internal bonded;

    mapping(address miner => uint256) internal bondsOf;

    OpenDemand[] internal openDemands;

    mapping(uint256 task => TaskGhost) internal ghosts;

    mapping(uint256 task => mapping(uint256 number => mapping(uint256 index => Candidate)))
        internal candidates;

    mapping(uint256 task => mapping(uint256 number => mapping(address verifier => Ballot))) internal ballots;

    mapping(uint256 task => mapping(uint256 headRound => mapping(bytes32 fullRoot => Opened)))
        internal opened;

    /// @dev How a round's committee is inclined.
    mapping(uint256 task => mapping(uint256 number => uint256)) internal moods;

    constructor(
        IStakeVault vault,
        ITrainingMarket market
    ) VaultMoves(vault, address(market), _addresses(ACCOUNTS)) {
        MARKET = market;
        COMMITTEE = market.COMMITTEE();
        DISPUTES = market.DISPUTES();
    }

    function _addresses(uint256 count) private pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; i++) list[i] = address(uint160(0x1000 + i));
    }

    /* CALLS */

    function _act(
        Action action,
        address sender,
        address target,
        bytes memory data
    ) internal returns (bool ok) {
        return _call(VAULT_ACTIONS + uint256(action), sender, target, data);
    }

    function _verifier() internal returns (address) {
        return accounts[FIRST_VERIFIER + _below(VERIFIERS)];
    }

    /* LOOKS */

    function _look(TaskId id) internal view returns (Scene memory s) {
        s.id = id;
        s.task = MARKET.task(id);
        s.number = s.task.round;
        s.params = _paramsOf(ghosts[TaskId.unwrap(id)].kind);
        s.round = MARKET.round(id, s.number);
        s.proposals = MARKET.proposals(id, s.number);
        s.phase = MARKET.phase(id);
        // Of the genesis, nobody's.
        s.head = MARKET.proposal(id, s.task.headRound, s.task.headProposal);
    }

    /// @dev A demand on a contender of the present round.
    function _demandOn(Scene memory s) internal view returns (bool found, uint256 index) {
        for (; index < openDemands.length; index++) {
            Ref storage ref = openDemands[index].ref;
            if (ref.task != TaskId.unwrap(s.id) || ref.number != s.number) continue;
            if (s.proposals[ref.index].status == ITrainingMarket.Status.Checked) return (true, index);
        }
    }

    function _lookAtAny() internal returns (Scene memory) {
        return _look(TaskId.wrap(openTasks[_below(openTasks.length)]));
    }

    /// @dev The one whose window ends first.
    function _mostUrgent() internal view returns (TaskId id) {
        uint256 least = 0;
        for (uint256 i = 0; i < openTasks.length; i++) {
            uint256 deadline = _deadlineOf(TaskId.wrap(openTasks[i]));
            if (i == 0 || deadline < least) (id, least) = (TaskId.wrap(openTasks[i]), deadline);
        }
    }

    /// @dev When the present window ends; at once where a call is due, never where nothing is.
    function _deadlineOf(TaskId id) internal view returns (uint256 end) {
        ITrainingMarket.Phase phase = MARKET.phase(id);
        if (phase == ITrainingMarket.Phase.Idle) return type(uint256).max;
        if (phase == ITrainingMarket.Phase.Seeding || phase == ITrainingMarket.Phase.Ended) return time;
        TaskGhost storage ghost = ghosts[TaskId.unwrap(id)];
        ITrainingMarket.Round memory round = MARKET.round(id, ghost.round);
        ITrainingMarket.TaskParams memory params = _paramsOf(ghost.kind);
        end = round.proposalEndsAt;
        if (phase == ITrainingMarket.Phase.Proposing) return end;
        if (phase == ITrainingMarket.Phase.Opening) return end + params.openingSeconds;
        end = uint256(round.seededAt) + params.leafCheckSeconds;
        if (phase == ITrainingMarket.Phase.LeafChecking) return end;
        end += params.commitSeconds;
        if (phase == ITrainingMarket.Phase.Committing) return end;
        end += params.revealSeconds;
        if (phase == ITrainingMarket.Phase.Revealing) return end;
        end += params.disputeSeconds;
        return end > round.disputesEndAt ? end : round.disputesEndAt;
    }

    /// @dev Odd and small, so that every rounding happens.
    function _paramsOf(uint256 kind) internal pure returns (ITrainingMarket.TaskParams memory params) {
        params.minerReward = 101;
        params.verifierReward = 53;
        params.proposalFee = 7;
        params.minerBond = 1_003;
        params.verifierStake = 100;
        params.missedRevealPenalty = 97;
        params.deviationPenalty = 31;
        params.demandDeposit = 23;
        params.answerRefund = 11;
        params.proposalSeconds = uint32(60 + 30 * kind);
        params.openingSeconds = 60;
        params.leafCheckSeconds = 60;
        params.commitSeconds = 60;
        params.revealSeconds = 60;
        params.disputeSeconds = 60;
        params.answerSeconds = 400;
        params.answerSlotSeconds = 5;
        params.closeDelaySeconds = 400;
        params.quorumBps = 2_500;
        params.rejectionBps = 777;
        params.leafChecks = uint8([1, 2, 1][kind]);
        params.maxProposals = uint8([3, 3, 2][kind]);
        params.committeeSize = uint8([4, 16, 16][kind]);
        params.minImprovementMicroNats = 3;
        params.toleranceMicroNats = 1;
    }

    /* WATCH */

    /// @dev Phases of a round follow one another.
    function _watch() internal override {
        for (uint256 i = 0; i < openTasks.length; i++) {
            TaskGhost storage ghost = ghosts[openTasks[i]];
            ITrainingMarket.Phase phase = MARKET.phase(TaskId.wrap(openTasks[i]));
            // Idle again, once a round is final.
            bool isFinal = phase == ITrainingMarket.Phase.Idle && ghost.round != 0;
            uint256 rank = uint256(isFinal ? type(ITrainingMarket.Phase).max : phase);
            if (rank < ghost.rank) revert Violated("phase", rank, ghost.rank);
            ghost.rank = rank;
        }
    }

    /// @param s the task before the call
    function _checkRound(Scene memory s) internal {
        uint256 id = TaskId.unwrap(s.id);
        _check(id);
        ITrainingMarket.Task memory task = MARKET.task(s.id);
        ITrainingMarket.Proposal[] memory proposals = MARKET.proposals(s.id, task.round);
        uint256[5] memory counts;
        for (uint256 i = 0; i < proposals.length; i++) {
            counts[uint256(proposals[i].status)]++;
            _checkProposal(s, task, proposals[i], candidates[id][task.round][i]);
        }
        ITrainingMarket.Round memory round = MARKET.round(s.id, task.round);
        uint256 reserved = 0;
        if (task.round != 0 && round.stage != ITrainingMarket.Stage.Final) {
            reserved =
                s.params.minerReward +
                s.params.verifierReward +
                proposals.length * s.params.proposalFee;
            _requireEqual("opened", round.opened, counts[uint256(ITrainingMarket.Status.Opened)]);
            _requireEqual("checked", round.checked, counts[uint256(ITrainingMarket.Status.Checked)]);
        }
        _requireEqual("held for a task", held[id], task.escrow + reserved);
        _checkHead(s, task, round);
        _checkBonds(s.id);
        if (!task.closed || s.task.closed) return;
        for (uint256 i = 0; i < openTasks.length; i++) {
            if (openTasks[i] != id) continue;
            openTasks[i] = openTasks[openTasks.length - 1];
            openTasks.pop();
        }
    }

    /// @dev A proposal's status goes one way, and its end is final.
    function _checkProposal(
        Scene memory s,
        ITrainingMarket.Task memory task,
        ITrainingMarket.Proposal memory proposal,
        Candidate storage candidate
    ) internal {
        if (proposal.status < candidate.status) {
            revert Violated("status", uint256(proposal.status), uint256(candidate.status));
        }
        candidate.status = proposal.status;
        if (candidate.outcome == proposal.outcome) return;
        _requireEqual("outcome before", uint256(candidate.outcome), 0);
        candidate.outcome = proposal.outcome;
        _judge(s, task, proposal, candidate);
    }

    /// @dev Locked stake is bonds.
    function _checkBonds(TaskId id) internal {
        for (uint256 i = bonded.length; i > 0; i--) {
            Ref memory ref = bonded[i - 1];
            if (ref.task != TaskId.unwrap(id)) continue;
            Candidate storage candidate = candidates[ref.task][ref.number][ref.index];
            uint256 bond = MARKET.proposal(id, ref.number, ref.index).bond;
            bondsOf[candidate.miner] = bondsOf[candidate.miner] + bond - candidate.bond;
            candidate.bond = bond;
            if (bond != 0) continue;
            bonded[i - 1] = bonded[bonded.length - 1];
            bonded.pop();
        }
        for (uint256 i = 0; i < MINERS; i++) {
            address miner = accounts[FIRST_MINER + i];
            _requireEqual("locked", VAULT.accounts(miner).locked, bondsOf[miner]);
        }
    }

    /// @dev Pooled stake is enrolments.
    function _checkPool(TaskId id) internal view {
        uint256 total = 0;
        for (uint256 i = 0; i < VERIFIERS; i++) {
            total += VAULT.pooled(address(COMMITTEE), TaskId.unwrap(id), accounts[FIRST_VERIFIER + i]);
        }
        uint256 given = VAULT.poolTotalAt(address(COMMITTEE), TaskId.unwrap(id), uint48(time));
        _requireEqual("pool", given, total);
    }

    /// @dev Whether a proposal deserved its end.
    function _judge(
        Scene memory s,
        ITrainingMarket.Task memory task,
        ITrainingMarket.Proposal memory proposal,
        Candidate storage candidate
    ) internal {
        ITrainingMarket.Outcome outcome = proposal.outcome;
        outcomes[uint256(outcome)]++;
        bool isForged = candidate.transition.forgery != TinyModels.Forgery.None;
        if (outcome == ITrainingMarket.Outcome.Unopened) _require(!candidate.opened, "unopened");
        else if (outcome == ITrainingMarket.Outcome.Fraud) _require(isForged, "forged");
        else if (outcome == ITrainingMarket.Outcome.Unseeded) _requireEqual("seed", uint256(s.round.seed), 0);
        else if (outcome == ITrainingMarket.Outcome.Duplicate) {
            bool isContested = opened[TaskId.unwrap(s.id)][s.task.headRound][candidate.fullRoot].contested;
            _require(isContested || candidate.fullRoot == s.task.head.fullRoot, "duplicate");
        } else if (outcome == ITrainingMarket.Outcome.Confirmed) {
            _requireEqual("head", uint256(task.head.fullRoot), uint256(candidate.fullRoot));
        }
        if (outcome != ITrainingMarket.Outcome.Confirmed) _requireEqual("bond", proposal.bond, 0);
    }

    /// @dev The head is the genesis, or what a confirmed proposal made of the head before it.
    function _checkHead(
        Scene memory s,
        ITrainingMarket.Task memory task,
        ITrainingMarket.Round memory round
    ) internal {
        TaskGhost storage ghost = ghosts[TaskId.unwrap(s.id)];
        if (task.round != ghost.round) {
            _requireEqual("round", task.round, ghost.round + 1);
            (ghost.round, ghost.rank) = (task.round, 0);
        }
        if (task.headRound != ghost.headRound) {
            _requireEqual("head's round", task.headRound, task.round);
            _requireEqual("head's proposal", task.headProposal, round.winner);
            _requireEqual("head before", uint256(round.oldRoot), uint256(ghost.fullRoot));
            Candidate storage winner = candidates[TaskId.unwrap(s.id)][task.round][round.winner];
            _require(winner.outcome == ITrainingMarket.Outcome.Confirmed, "the head's proposal is confirmed");
            _requireEqual("quantized head", uint256(task.head.quantRoot), uint256(winner.quantRoot));
            _requireEqual("model before", winner.transition.from, ghost.model);
            // The winner's bond answers for the head; the last head's is free, but for a demand.
            uint256 bond = MARKET.proposal(s.id, task.round, round.winner).bond;
            _requireEqual("winner's bond", bond, s.proposals[round.winner].bond);
            bond = MARKET.proposal(s.id, s.task.headRound, s.task.headProposal).bond;
            bool isDemanded = DISPUTES.openDemands(s.id, s.task.headRound, s.task.headProposal) != 0;
            _requireEqual("last winner's bond", bond, isDemanded ? s.head.bond : 0);
            ghost.headRound = task.headRound;
            ghost.fullRoot = winner.fullRoot;
            ghost.model = winner.transition.to;
        }
        _requireEqual("head", uint256(task.head.fullRoot), uint256(ghost.fullRoot));
    }
}
