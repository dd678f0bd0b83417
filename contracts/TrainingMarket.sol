// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Committee} from "./Committee.sol";
import {Disputes} from "./Disputes.sol";
import {ICommittee} from "./interfaces/ICommittee.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {ILeafChecker} from "./interfaces/ILeafChecker.sol";
import {IRandomness} from "./interfaces/IRandomness.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ITaskRules} from "./interfaces/ITaskRules.sol";
import {ITrainingMarket, TaskId} from "./interfaces/ITrainingMarket.sol";
import {Draws} from "./libraries/Draws.sol";
import {LeafVerdict} from "./libraries/LeafCheck.sol";
import {RoundClock} from "./libraries/RoundClock.sol";

/// @title TrainingMarket
contract TrainingMarket is ITrainingMarket, ReentrancyGuardTransient {
    using RoundClock for Round;
    using SafeCast for uint256;

    /* CONSTANTS */

    /// @inheritdoc ITrainingMarket
    uint256 public constant MAX_SEEDING_SECONDS = 1 days;

    /// @inheritdoc ITrainingMarket
    uint8 public constant NO_WINNER = type(uint8).max;

    uint256 internal constant MAX_TEXT_BYTES = 256;

    uint256 internal constant BPS = 10_000;

    /// @dev A hundredth of every bond each time a seed is let go out of reach: nobody gains by waiting for another.
    uint256 internal constant ROLL_OVER_BPS = 100;

    /* IMMUTABLES */

    /// @inheritdoc ITrainingMarket
    IStakeVault public immutable VAULT;

    /// @inheritdoc ITrainingMarket
    IRandomness public immutable RANDOMNESS;

    /// @inheritdoc ITrainingMarket
    ILeafChecker public immutable LEAF_CHECKER;

    /// @inheritdoc ITrainingMarket
    ITaskRules public immutable TASK_RULES;

    /// @inheritdoc ITrainingMarket
    ICommittee public immutable COMMITTEE;

    /// @inheritdoc ITrainingMarket
    IDisputes public immutable DISPUTES;

    /* STORAGE */

    /// @inheritdoc ITrainingMarket
    uint256 public taskCount;

    mapping(TaskId taskId => Task) internal tasks;

    mapping(TaskId taskId => TaskParams) internal taskParams;

    mapping(TaskId taskId => mapping(uint256 number => Round)) internal rounds;

    mapping(TaskId taskId => mapping(uint256 number => mapping(uint256 index => Proposal)))
        internal proposalOf;

    /// @inheritdoc ITrainingMarket
    mapping(TaskId taskId => mapping(uint256 headRound => mapping(bytes32 fullRoot => Priority)))
        public priority;

    /* CONSTRUCTOR */

    /// @dev Makes the two contracts that it trusts and that trust it: no address has to be predicted or set later.
    constructor(IStakeVault vault, IRandomness randomness, ILeafChecker leafChecker, ITaskRules taskRules) {
        VAULT = vault;
        RANDOMNESS = randomness;
        LEAF_CHECKER = leafChecker;
        TASK_RULES = taskRules;
        DISPUTES = new Disputes(vault, leafChecker);
        COMMITTEE = new Committee(vault, DISPUTES);
    }

    modifier onlyDisputes() {
        if (msg.sender != address(DISPUTES)) revert NotDisputes(msg.sender);
        _;
    }

    /* PARTIES */

    /// @inheritdoc ITrainingMarket
    function announce(string calldata endpoint) external {
        _requireShort(endpoint);
        emit EndpointAnnounced(msg.sender, endpoint);
    }

    /* TASKS */

    /// @inheritdoc ITrainingMarket
    function registerTask(
        TaskParams calldata params_,
        Head calldata genesis,
        bytes32 manifestHash,
        string calldata location
    ) external returns (TaskId taskId) {
        _requireShort(location);
        TASK_RULES.check(
            params_,
            genesis.parameterCount,
            VAULT.withdrawalDelaySeconds(),
            MAX_SEEDING_SECONDS,
            DISPUTES.MAX_OPEN_DEMANDS()
        );
        taskId = TaskId.wrap(taskCount++);
        Task storage task_ = tasks[taskId];
        task_.owner = msg.sender;
        task_.manifestHash = manifestHash;
        task_.location = location;
        task_.head = genesis;
        taskParams[taskId] = params_;
        emit TaskRegistered(taskId, msg.sender, manifestHash, location, genesis, params_);
    }

    /// @inheritdoc ITrainingMarket
    function fundTask(TaskId taskId, uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        Task storage task_ = _openTask(taskId);
        task_.escrow += amount.toUint96();
        emit TaskFunded(taskId, msg.sender, amount);
        VAULT.collect(msg.sender, amount);
    }

    /// @inheritdoc ITrainingMarket
    function requestClose(TaskId taskId) external {
        Task storage task_ = _openTask(taskId);
        if (msg.sender != task_.owner) revert NotOwner(msg.sender, task_.owner);
        if (task_.closableAt != 0) revert TaskClosing(taskId, task_.closableAt);
        task_.closableAt = (block.timestamp + taskParams[taskId].closeDelaySeconds).toUint48();
        emit TaskCloseRequested(taskId, task_.closableAt);
    }

    /// @inheritdoc ITrainingMarket
    function closeTask(TaskId taskId) external nonReentrant {
        Task storage task_ = _openTask(taskId);
        _requirePhase(taskId, Phase.Idle);
        if (task_.closableAt == 0 || block.timestamp < task_.closableAt) {
            revert NotClosable(block.timestamp, task_.closableAt);
        }
        _close(taskId, task_);
        _releaseUnlessDemanded(taskId, task_.headRound, task_.headProposal);
    }

    /* ROUNDS */

    /// @inheritdoc ITrainingMarket
    function propose(TaskId taskId, uint256 number, bytes32 commitment) external nonReentrant {
        Task storage task_ = _openTask(taskId);
        TaskParams storage params_ = taskParams[taskId];
        Phase now_ = phase(taskId);
        if (now_ == Phase.Idle) _startRound(taskId, task_, params_);
        else if (now_ != Phase.Proposing) revert WrongPhase(now_, Phase.Proposing);
        if (number != task_.round) revert WrongRound(number, task_.round);

        Round storage round_ = rounds[taskId][number];
        uint256 index = round_.proposals;
        if (index == params_.maxProposals) revert TooManyProposals(index);
        for (uint256 i = 0; i < index; i++) {
            if (proposalOf[taskId][number][i].miner == msg.sender) revert AlreadyProposed(msg.sender, number);
        }
        round_.proposals++;
        Proposal storage proposal_ = proposalOf[taskId][number][index];
        uint96 bond = params_.minerBond;
        proposal_.miner = msg.sender;
        proposal_.bond = bond;
        proposal_.status = Status.Sealed;
        proposal_.commitment = commitment;
        emit Proposed(taskId, number, msg.sender, index, commitment, round_.proposalEndsAt);

        VAULT.lock(msg.sender, bond);
        VAULT.collect(msg.sender, params_.proposalFee);
    }

    /// @inheritdoc ITrainingMarket
    function openProposal(
        TaskId taskId,
        uint256 proposalIndex,
        bytes32 fullRoot,
        bytes32 quantRoot,
        bytes32 updateRoot,
        string calldata location,
        bytes32 salt
    ) external nonReentrant {
        _requireShort(location);
        _requirePhase(taskId, Phase.Opening);
        uint256 number = tasks[taskId].round;
        Proposal storage proposal_ = proposalOf[taskId][number][proposalIndex];
        if (proposal_.status != Status.Sealed) revert WrongStatus(proposal_.status, Status.Sealed);
        bytes32 commitment = keccak256(
            abi.encode(
                block.chainid,
                address(this),
                taskId,
                number,
                proposal_.miner,
                fullRoot,
                quantRoot,
                updateRoot,
                location,
                salt
            )
        );
        if (commitment != proposal_.commitment) revert CommitmentMismatch(commitment, proposal_.commitment);
        proposal_.status = Status.Opened;
        proposal_.fullRoot = fullRoot;
        proposal_.quantRoot = quantRoot;
        proposal_.updateRoot = updateRoot;
        rounds[taskId][number].opened++;
        emit ProposalOpened(taskId, number, proposalIndex, fullRoot, quantRoot, updateRoot, location);
        _applyPriority(taskId, number, proposalIndex, fullRoot);
    }

    /// @inheritdoc ITrainingMarket
    function requestSeed(TaskId taskId) external nonReentrant {
        _requirePhase(taskId, Phase.Seeding);
        (uint256 number, Round storage round_) = _lastRound(taskId);
        uint64 lostTicket = round_.seedTicket;
        if (lostTicket != 0) {
            (IRandomness.Availability availability, ) = RANDOMNESS.read(lostTicket);
            if (availability != IRandomness.Availability.OutOfReach) revert SeedStillReadable(lostTicket);
        }
        uint64 ticket = RANDOMNESS.next();
        round_.seedTicket = ticket;
        emit SeedRequested(taskId, number, ticket);
        if (lostTicket == 0) return;
        for (uint256 i = 0; i < round_.proposals; i++) {
            Proposal storage proposal_ = proposalOf[taskId][number][i];
            if (proposal_.status != Status.Opened) continue;
            uint96 lost = _shareRoundedDown(proposal_.bond, ROLL_OVER_BPS);
            proposal_.bond -= lost;
            VAULT.slashLocked(proposal_.miner, lost, address(0));
        }
    }

    /// @inheritdoc ITrainingMarket
    function recordSeed(TaskId taskId) external nonReentrant {
        _requirePhase(taskId, Phase.Seeding);
        (uint256 number, Round storage round_) = _lastRound(taskId);
        uint64 ticket = round_.seedTicket;
        if (ticket == 0) revert SeedNotRequested(number);
        (IRandomness.Availability availability, bytes32 seed) = RANDOMNESS.read(ticket);
        if (availability == IRandomness.Availability.Pending) revert SeedPending(ticket);
        if (availability == IRandomness.Availability.OutOfReach) revert SeedOutOfReach(ticket);
        round_.stage = Stage.Seeded;
        round_.seed = seed;
        round_.seededAt = block.timestamp.toUint48();
        emit SeedRecorded(taskId, number, seed);
        TaskParams storage params_ = taskParams[taskId];
        COMMITTEE.convene(
            taskId,
            number,
            round_.proposalEndsAt - 1,
            params_.verifierStake,
            params_.committeeSize
        );
    }

    /// @inheritdoc ITrainingMarket
    function checkLeaves(
        TaskId taskId,
        uint256 proposalIndex,
        ILeafChecker.LeafOpening[] calldata openings
    ) external nonReentrant {
        _requirePhase(taskId, Phase.LeafChecking);
        (uint256 number, Round storage round_) = _lastRound(taskId);
        Proposal storage proposal_ = proposalOf[taskId][number][proposalIndex];
        if (proposal_.status != Status.Opened) revert WrongStatus(proposal_.status, Status.Opened);
        uint256 expected = taskParams[taskId].leafChecks;
        if (openings.length != expected) revert WrongLeafCount(openings.length, expected);

        (ILeafChecker.Trees memory trees_, uint256 parameterCount) = trees(taskId, number, proposalIndex);
        uint256 leafCount = LEAF_CHECKER.leafCount(parameterCount);
        bytes32 seed = round_.seed;
        for (uint256 j = 0; j < expected; j++) {
            uint256 index =
                Draws.draw(seed, Draws.LEAF, TaskId.unwrap(taskId), number, proposalIndex, j) % leafCount;
            (LeafVerdict verdict, uint256 element) = LEAF_CHECKER.check(
                trees_,
                parameterCount,
                index,
                openings[j]
            );
            if (verdict != LeafVerdict.Valid) {
                emit LeafRefuted(taskId, number, proposalIndex, index, verdict, element);
                if (verdict == LeafVerdict.NonFiniteOld) _poison(taskId, address(0));
                else _convict(taskId, number, proposalIndex, Outcome.Fraud, address(0));
                return;
            }
        }
        proposal_.status = Status.Checked;
        round_.opened--;
        round_.checked++;
        emit LeavesChecked(taskId, number, proposalIndex);
    }

    /// @inheritdoc ITrainingMarket
    function finalize(TaskId taskId) external nonReentrant {
        _requirePhase(taskId, Phase.Ended);
        (uint256 number, Round storage round_) = _lastRound(taskId);
        Task storage task_ = tasks[taskId];
        TaskParams storage params_ = taskParams[taskId];
        uint256 reserved = uint256(params_.minerReward) + params_.verifierReward;
        Stage stage = round_.stage;
        round_.stage = Stage.Final;

        // Those that nobody could attest.
        uint256[] memory contenders = new uint256[](round_.checked);
        uint256 filled = 0;
        for (uint256 i = 0; i < round_.proposals; i++) {
            Status status = proposalOf[taskId][number][i].status;
            if (status == Status.Checked) contenders[filled++] = i;
            else if (status == Status.Sealed) _endAndBurn(taskId, number, i, Outcome.Unopened);
            else if (status == Status.Opened && stage == Stage.Seeded) {
                _endAndBurn(taskId, number, i, Outcome.Unchecked);
            } else if (status == Status.Opened) {
                _endAndRelease(taskId, number, i, Outcome.Unseeded);
            }
        }
        uint256 returned = reserved + uint256(round_.proposals) * params_.proposalFee;
        if (filled != 0) returned -= _settle(taskId, number, task_, params_, contenders);
        task_.escrow += returned.toUint96();
        emit RoundFinalized(taskId, number, round_.winner);
    }

    /// @inheritdoc ITrainingMarket
    function releaseBond(TaskId taskId, uint256 number, uint256 proposalIndex) external nonReentrant {
        Task storage task_ = tasks[taskId];
        Proposal storage proposal_ = proposalOf[taskId][number][proposalIndex];
        if (proposal_.status != Status.Final) revert WrongStatus(proposal_.status, Status.Final);
        bool isHead = number == task_.headRound && proposalIndex == task_.headProposal && !task_.closed;
        if (proposal_.bond == 0 || isHead) revert NothingAtStake(taskId, number, proposalIndex);
        if (!_releaseUnlessDemanded(taskId, number, proposalIndex)) {
            revert DemandsOpen(taskId, number, proposalIndex);
        }
    }

    /* DISPUTES */

    /// @inheritdoc ITrainingMarket
    function convict(
        TaskId taskId,
        uint256 number,
        uint256 proposalIndex,
        Outcome cause,
        address prover
    ) external onlyDisputes nonReentrant {
        _convict(taskId, number, proposalIndex, cause, prover);
    }

    /// @inheritdoc ITrainingMarket
    function poison(TaskId taskId, address prover) external onlyDisputes nonReentrant {
        _poison(taskId, prover);
    }

    /// @inheritdoc ITrainingMarket
    function recordDemands(
        TaskId taskId,
        uint256 number,
        uint256 proposalIndex,
        uint8 openDemands,
        uint256 time
    ) external onlyDisputes {
        proposalOf[taskId][number][proposalIndex].openDemands = openDemands;
        (uint256 present, Round storage round_) = _lastRound(taskId);
        if (time <= round_.disputesEndAt) return;
        round_.disputesEndAt = time.toUint48();
        emit DisputesExtended(taskId, present, time);
    }

    /* VIEWS */

    /// @inheritdoc ITrainingMarket
    function task(TaskId taskId) external view returns (Task memory) {
        _requireKnown(taskId);
        return tasks[taskId];
    }

    /// @inheritdoc ITrainingMarket
    function params(TaskId taskId) external view returns (TaskParams memory) {
        _requireKnown(taskId);
        return taskParams[taskId];
    }

    /// @inheritdoc ITrainingMarket
    function round(TaskId taskId, uint256 number) external view returns (Round memory) {
        return rounds[taskId][number];
    }

    /// @inheritdoc ITrainingMarket
    function proposal(TaskId taskId, uint256 number, uint256 index) external view returns (Proposal memory) {
        return proposalOf[taskId][number][index];
    }

    /// @inheritdoc ITrainingMarket
    function proposals(TaskId taskId, uint256 number) external view returns (Proposal[] memory list) {
        list = new Proposal[](rounds[taskId][number].proposals);
        for (uint256 i = 0; i < list.length; i++) list[i] = proposalOf[taskId][number][i];
    }

    /// @inheritdoc ITrainingMarket
    function phase(TaskId taskId) public view returns (Phase) {
        _requireKnown(taskId);
        return _phaseOf(taskId, tasks[taskId].round);
    }

    /// @inheritdoc ITrainingMarket
    function disputed(
        TaskId taskId,
        uint256 number,
        uint256 index
    ) external view returns (Disputed memory disputed_) {
        Proposal storage proposal_ = proposalOf[taskId][number][index];
        disputed_.openDemands = proposal_.openDemands;
        // The loser of a race for a proof reads no more than this.
        if (proposal_.bond == 0 || proposal_.status == Status.Sealed) return disputed_;
        Task storage task_ = tasks[taskId];
        TaskParams storage params_ = taskParams[taskId];
        disputed_.miner = proposal_.miner;
        disputed_.isHead = number == task_.headRound && index == task_.headProposal;
        disputed_.phase = _phaseOf(taskId, number);
        disputed_.parameterCount = task_.head.parameterCount;
        disputed_.demandDeposit = params_.demandDeposit;
        disputed_.answerRefund = params_.answerRefund;
        disputed_.answerSeconds = params_.answerSeconds;
        disputed_.answerSlotSeconds = params_.answerSlotSeconds;
    }

    /// @inheritdoc ITrainingMarket
    function presentRound(TaskId taskId) external view returns (Phase, uint256, bytes32) {
        (uint256 number, Round storage round_) = _lastRound(taskId);
        return (phase(taskId), number, round_.seed);
    }

    /// @inheritdoc ITrainingMarket
    function verifierStake(TaskId taskId) external view returns (uint96) {
        _openTask(taskId);
        return taskParams[taskId].verifierStake;
    }

    /// @inheritdoc ITrainingMarket
    function miners(TaskId taskId, uint256 number) external view returns (address[] memory list) {
        list = new address[](rounds[taskId][number].proposals);
        for (uint256 i = 0; i < list.length; i++) list[i] = proposalOf[taskId][number][i].miner;
    }

    /// @inheritdoc ITrainingMarket
    function trees(
        TaskId taskId,
        uint256 number,
        uint256 index
    ) public view returns (ILeafChecker.Trees memory, uint256 parameterCount) {
        Proposal storage proposal_ = proposalOf[taskId][number][index];
        return (
            ILeafChecker.Trees({
                oldRoot: rounds[taskId][number].oldRoot,
                updateRoot: proposal_.updateRoot,
                newRoot: proposal_.fullRoot,
                quantRoot: proposal_.quantRoot
            }),
            tasks[taskId].head.parameterCount
        );
    }

    /* INTERNAL: ROUNDS */

    function _startRound(TaskId taskId, Task storage task_, TaskParams storage params_) internal {
        if (task_.closableAt != 0 && block.timestamp >= task_.closableAt) {
            revert TaskClosing(taskId, task_.closableAt);
        }
        uint96 reserved = params_.minerReward + params_.verifierReward;
        if (reserved > task_.escrow) revert InsufficientEscrow(reserved, task_.escrow);
        task_.escrow -= reserved;
        Round storage round_ = rounds[taskId][++task_.round];
        round_.stage = Stage.Proposed;
        round_.winner = NO_WINNER;
        round_.proposalEndsAt = (block.timestamp + params_.proposalSeconds).toUint48();
        round_.oldRoot = task_.head.fullRoot;
    }

    /// @dev Of proposals that lead from one head to one model the earliest commitment counts, also over rounds that ended
    /// without a winner: who sees a model can't be paid for it. The head's own model counts for nobody.
    function _applyPriority(TaskId taskId, uint256 number, uint256 index, bytes32 fullRoot) internal {
        Task storage task_ = tasks[taskId];
        Priority storage first = priority[taskId][task_.headRound][fullRoot];
        address miner = proposalOf[taskId][number][index].miner;
        bool isEarlier = first.round == number && index < first.proposal;
        if (fullRoot == task_.head.fullRoot || (first.round != 0 && first.miner != miner && !isEarlier)) {
            _endDuplicate(taskId, number, index);
            return;
        }
        if (isEarlier) {
            // It may have been refuted since.
            Status status = proposalOf[taskId][number][first.proposal].status;
            if (status == Status.Opened) _endDuplicate(taskId, number, first.proposal);
        }
        if (first.round == 0 || isEarlier) {
            first.miner = miner;
            first.round = uint64(number);
            first.proposal = uint8(index);
        }
    }

    function _endDuplicate(TaskId taskId, uint256 number, uint256 index) internal {
        rounds[taskId][number].opened--;
        _endAndRelease(taskId, number, index, Outcome.Duplicate);
    }

    /// @return spent what of the reserved rewards and the fees was paid
    function _settle(
        TaskId taskId,
        uint256 number,
        Task storage task_,
        TaskParams storage params_,
        uint256[] memory contenders
    ) internal returns (uint256 spent) {
        for (uint256 c = 0; c < contenders.length; c++) {
            if (proposalOf[taskId][number][contenders[c]].openDemands != 0) {
                revert DemandsOpen(taskId, number, contenders[c]);
            }
        }
        ICommittee.Settlement memory settlement = COMMITTEE.settle(taskId, number, contenders);
        for (uint256 i = 0; i < settlement.verifiers.length; i++) {
            spent += settlement.earned[i];
            VAULT.pay(settlement.verifiers[i], settlement.earned[i]);
        }
        for (uint256 c = 0; c < contenders.length; c++) {
            uint256 index = contenders[c];
            Outcome outcome = settlement.outcomes[c];
            Proposal storage proposal_ = proposalOf[taskId][number][index];
            if (outcome == Outcome.Rejected) {
                uint96 lost = _shareRoundedDown(proposal_.bond, params_.rejectionBps);
                proposal_.bond -= lost;
                VAULT.slashLocked(proposal_.miner, lost, address(0));
            }
            if (outcome != Outcome.Confirmed) {
                _endAndRelease(taskId, number, index, outcome);
                continue;
            }
            _end(taskId, number, index, outcome);
            _releaseUnlessDemanded(taskId, task_.headRound, task_.headProposal);
            rounds[taskId][number].winner = uint8(index);
            task_.headRound = uint64(number);
            task_.headProposal = uint8(index);
            task_.head.fullRoot = proposal_.fullRoot;
            task_.head.quantRoot = proposal_.quantRoot;
            emit HeadMoved(
                taskId,
                number,
                index,
                proposal_.fullRoot,
                proposal_.quantRoot,
                proposal_.updateRoot
            );
            spent += params_.minerReward;
            VAULT.pay(proposal_.miner, params_.minerReward);
        }
    }

    /* INTERNAL: ENDS */

    function _end(TaskId taskId, uint256 number, uint256 index, Outcome outcome) internal {
        Proposal storage proposal_ = proposalOf[taskId][number][index];
        proposal_.status = Status.Final;
        proposal_.outcome = outcome;
        emit ProposalEnded(taskId, number, index, outcome);
    }

    function _endAndRelease(TaskId taskId, uint256 number, uint256 index, Outcome outcome) internal {
        _end(taskId, number, index, outcome);
        Proposal storage proposal_ = proposalOf[taskId][number][index];
        uint96 bond = proposal_.bond;
        proposal_.bond = 0;
        VAULT.unlock(proposal_.miner, bond);
    }

    function _endAndBurn(TaskId taskId, uint256 number, uint256 index, Outcome outcome) internal {
        _end(taskId, number, index, outcome);
        _slashBond(proposalOf[taskId][number][index], address(0));
    }

    function _slashBond(Proposal storage proposal_, address prover) internal {
        uint96 bond = proposal_.bond;
        proposal_.bond = 0;
        VAULT.slashLocked(proposal_.miner, bond, prover);
    }

    /// @dev A proposal whose bond is gone has none to release.
    /// @return released whether no demand keeps the bond
    function _releaseUnlessDemanded(
        TaskId taskId,
        uint256 number,
        uint256 index
    ) internal returns (bool released) {
        Proposal storage proposal_ = proposalOf[taskId][number][index];
        if (proposal_.openDemands != 0) return false;
        uint96 bond = proposal_.bond;
        if (bond != 0) {
            proposal_.bond = 0;
            VAULT.unlock(proposal_.miner, bond);
        }
        return true;
    }

    function _convict(TaskId taskId, uint256 number, uint256 index, Outcome cause, address prover) internal {
        Proposal storage proposal_ = proposalOf[taskId][number][index];
        Round storage round_ = rounds[taskId][number];
        emit ProposalRefuted(taskId, number, index, cause, prover);
        if (proposal_.status == Status.Opened) round_.opened--;
        else if (proposal_.status == Status.Checked) round_.checked--;
        // A past winner stays what it was.
        if (proposal_.status != Status.Final) _end(taskId, number, index, cause);
        _slashBond(proposal_, prover);
    }

    function _poison(TaskId taskId, address prover) internal {
        Task storage task_ = tasks[taskId];
        (uint256 number, Round storage round_) = _lastRound(taskId);
        TaskParams storage params_ = taskParams[taskId];
        emit HeadPoisoned(taskId, prover);
        if (number != 0 && round_.stage != Stage.Final) {
            round_.stage = Stage.Final;
            uint256 fee = params_.proposalFee;
            uint256 returned = uint256(params_.minerReward) + params_.verifierReward;
            for (uint256 i = 0; i < round_.proposals; i++) {
                Proposal storage proposal_ = proposalOf[taskId][number][i];
                if (proposal_.status == Status.Final) {
                    returned += fee;
                    continue;
                }
                _endAndRelease(taskId, number, i, Outcome.PoisonedHead);
                VAULT.pay(proposal_.miner, fee);
            }
            task_.escrow += returned.toUint96();
            emit RoundFinalized(taskId, number, NO_WINNER);
        }
        // A miner that made a head made every value of it.
        Proposal storage head = proposalOf[taskId][task_.headRound][task_.headProposal];
        if (head.bond != 0) {
            emit ProposalRefuted(taskId, task_.headRound, task_.headProposal, Outcome.Fraud, prover);
            _slashBond(head, prover);
        }
        _close(taskId, task_);
    }

    function _close(TaskId taskId, Task storage task_) internal {
        uint96 rest = task_.escrow;
        task_.closed = true;
        task_.escrow = 0;
        emit TaskClosed(taskId, rest);
        VAULT.pay(task_.owner, rest);
    }

    /* INTERNAL: CHECKS */

    function _phaseOf(TaskId taskId, uint256 number) internal view returns (Phase) {
        if (tasks[taskId].closed) return Phase.Closed;
        Round storage round_ = rounds[taskId][number];
        if (number == 0 || round_.stage == Stage.Final) return Phase.Idle;
        return round_.phase(taskParams[taskId], MAX_SEEDING_SECONDS);
    }

    function _requireKnown(TaskId taskId) internal view {
        if (TaskId.unwrap(taskId) >= taskCount) revert UnknownTask(taskId);
    }

    function _openTask(TaskId taskId) internal view returns (Task storage task_) {
        _requireKnown(taskId);
        task_ = tasks[taskId];
        if (task_.closed) revert TaskAlreadyClosed(taskId);
    }

    function _lastRound(TaskId taskId) internal view returns (uint256 number, Round storage round_) {
        number = tasks[taskId].round;
        round_ = rounds[taskId][number];
    }

    function _requirePhase(TaskId taskId, Phase expected) internal view {
        Phase now_ = phase(taskId);
        if (now_ != expected) revert WrongPhase(now_, expected);
    }

    function _requireShort(string calldata text) internal pure {
        if (bytes(text).length > MAX_TEXT_BYTES) revert TextTooLong(bytes(text).length, MAX_TEXT_BYTES);
    }

    function _shareRoundedDown(uint96 amount, uint256 bps) internal pure returns (uint96) {
        return uint96((uint256(amount) * bps) / BPS);
    }
}
