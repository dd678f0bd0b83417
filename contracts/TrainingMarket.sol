// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ILeafChecker} from "./interfaces/ILeafChecker.sol";
import {IRandomness} from "./interfaces/IRandomness.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ITrainingMarket, TaskId} from "./interfaces/ITrainingMarket.sol";
import {Draws} from "./libraries/Draws.sol";
import {LeafVerdict} from "./libraries/LeafCheck.sol";
import {RoundClock} from "./libraries/RoundClock.sol";
import {Tally} from "./libraries/Tally.sol";
import {TaskParamsCheck} from "./libraries/TaskParamsCheck.sol";

/// @title TrainingMarket
contract TrainingMarket is ITrainingMarket, ReentrancyGuardTransient {
    using RoundClock for Round;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /* CONSTANTS */

    /// @inheritdoc ITrainingMarket
    uint256 public constant MAX_VERIFIERS = 64;

    /// @inheritdoc ITrainingMarket
    uint256 public constant MAX_SEEDING_SECONDS = 1 days;

    uint256 internal constant MAX_TEXT_BYTES = 256;

    uint256 internal constant BPS = 10_000;

    /// @dev A hundredth of the bond each time a seed is let go out of reach: nobody gains by waiting for another.
    uint256 internal constant ROLL_OVER_BPS = 100;

    /* IMMUTABLES */

    IStakeVault internal immutable STAKE_VAULT;

    IERC20 internal immutable STAKE_TOKEN;

    /// @inheritdoc ITrainingMarket
    IRandomness public immutable RANDOMNESS;

    /// @inheritdoc ITrainingMarket
    ILeafChecker public immutable LEAF_CHECKER;

    /* STORAGE */

    /// @inheritdoc ITrainingMarket
    uint256 public taskCount;

    mapping(TaskId taskId => Task) internal tasks;

    mapping(TaskId taskId => TaskParams) internal taskParams;

    mapping(TaskId taskId => mapping(uint256 number => Round)) internal rounds;

    mapping(TaskId taskId => mapping(uint256 number => mapping(uint256 index => Attester)))
        internal attesterOf;

    mapping(TaskId taskId => mapping(uint256 number => mapping(address verifier => Attestation)))
        internal attestationOf;

    /// @inheritdoc ITrainingMarket
    mapping(TaskId taskId => mapping(address verifier => bool)) public isEnrolled;

    /// @inheritdoc ITrainingMarket
    mapping(address account => uint256) public claimable;

    /* CONSTRUCTOR */

    constructor(IERC20 token, IStakeVault vault, IRandomness randomness, ILeafChecker leafChecker) {
        STAKE_TOKEN = token;
        STAKE_VAULT = vault;
        RANDOMNESS = randomness;
        LEAF_CHECKER = leafChecker;
    }

    /* PARTIES */

    /// @inheritdoc ITrainingMarket
    function announce(string calldata endpoint) external {
        _requireShort(endpoint);
        emit EndpointAnnounced(msg.sender, endpoint);
    }

    /// @inheritdoc ITrainingMarket
    function claim(address account) external nonReentrant {
        uint256 amount = claimable[account];
        if (amount == 0) revert NothingToClaim(account);
        claimable[account] = 0;
        emit Claimed(account, amount);
        STAKE_TOKEN.safeTransfer(account, amount);
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
        TaskParamsCheck.check(
            params_,
            genesis.parameterCount,
            STAKE_VAULT.withdrawalDelaySeconds(),
            MAX_SEEDING_SECONDS
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
        STAKE_TOKEN.safeTransferFrom(msg.sender, address(this), amount);
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
    }

    /* VERIFIERS */

    /// @inheritdoc ITrainingMarket
    function enrol(TaskId taskId, uint96 amount) external {
        Task storage task_ = _openTask(taskId);
        uint256 pool = TaskId.unwrap(taskId);
        uint256 stake = STAKE_VAULT.pooled(address(this), pool, msg.sender);
        uint96 least = taskParams[taskId].verifierStake;
        if (amount == 0) revert ZeroAmount();
        if (stake + amount < least) revert StakeTooSmall(stake + amount, least);
        if (!isEnrolled[taskId][msg.sender]) {
            if (task_.enrolled == MAX_VERIFIERS) revert TooManyVerifiers(MAX_VERIFIERS);
            task_.enrolled++;
            isEnrolled[taskId][msg.sender] = true;
        }
        emit Enrolled(taskId, msg.sender, amount);
        STAKE_VAULT.joinPool(pool, msg.sender, amount);
    }

    /// @inheritdoc ITrainingMarket
    /// @dev Works on a closed task too: stake is never stuck.
    function disenrol(TaskId taskId) external {
        if (!isEnrolled[taskId][msg.sender]) revert NotEnrolled(taskId, msg.sender);
        isEnrolled[taskId][msg.sender] = false;
        tasks[taskId].enrolled--;
        emit Disenrolled(taskId, msg.sender);
        uint256 pool = TaskId.unwrap(taskId);
        // Penalties may have left nothing.
        if (STAKE_VAULT.pooled(address(this), pool, msg.sender) != 0) STAKE_VAULT.leavePool(pool, msg.sender);
    }

    /* ROUNDS */

    /// @inheritdoc ITrainingMarket
    function propose(TaskId taskId, bytes32 commitment) external nonReentrant {
        Task storage task_ = _openTask(taskId);
        TaskParams storage params_ = taskParams[taskId];
        _requireNoRound(taskId, task_);
        if (task_.closableAt != 0 && block.timestamp >= task_.closableAt) {
            revert TaskClosing(taskId, task_.closableAt);
        }
        uint96 reserved = params_.minerReward + params_.verifierReward;
        if (reserved > task_.escrow) revert InsufficientEscrow(reserved, task_.escrow);

        task_.escrow -= reserved;
        uint64 number = ++task_.round;
        Round storage round_ = rounds[taskId][number];
        round_.miner = msg.sender;
        round_.stage = Stage.Sealed;
        round_.proposalEndsAt = (block.timestamp + params_.proposalSeconds).toUint48();
        round_.bond = params_.minerBond;
        round_.commitment = commitment;
        emit Proposed(taskId, number, msg.sender, commitment, round_.proposalEndsAt);

        STAKE_VAULT.lock(msg.sender, params_.minerBond);
        if (params_.proposalFee != 0) {
            STAKE_TOKEN.safeTransferFrom(msg.sender, address(this), params_.proposalFee);
        }
    }

    /// @inheritdoc ITrainingMarket
    function openProposal(
        TaskId taskId,
        bytes32 fullRoot,
        bytes32 quantRoot,
        bytes32 updateRoot,
        string calldata location,
        bytes32 salt
    ) external {
        _requireShort(location);
        _requirePhase(taskId, Phase.Opening);
        (uint64 number, Round storage round_) = _lastRound(taskId);
        if (round_.stage != Stage.Sealed) revert WrongStage(round_.stage, Stage.Sealed);
        bytes32 commitment = keccak256(
            abi.encode(
                block.chainid,
                address(this),
                taskId,
                number,
                round_.miner,
                fullRoot,
                quantRoot,
                updateRoot,
                location,
                salt
            )
        );
        if (commitment != round_.commitment) revert CommitmentMismatch(commitment, round_.commitment);
        round_.stage = Stage.Opened;
        round_.fullRoot = fullRoot;
        round_.quantRoot = quantRoot;
        round_.updateRoot = updateRoot;
        emit ProposalOpened(taskId, number, fullRoot, quantRoot, updateRoot, location);
    }

    /// @inheritdoc ITrainingMarket
    function requestSeed(TaskId taskId) external nonReentrant {
        _requirePhase(taskId, Phase.Seeding);
        (uint64 number, Round storage round_) = _lastRound(taskId);
        uint64 lostTicket = round_.seedTicket;
        if (lostTicket != 0) {
            (IRandomness.Availability availability, ) = RANDOMNESS.read(lostTicket);
            if (availability != IRandomness.Availability.OutOfReach) revert SeedStillReadable(lostTicket);
        }
        uint64 ticket = RANDOMNESS.next();
        round_.seedTicket = ticket;
        emit SeedRequested(taskId, number, ticket);
        if (lostTicket != 0) {
            uint96 lost = _shareRoundedDown(round_.bond, ROLL_OVER_BPS);
            round_.bond -= lost;
            tasks[taskId].escrow += uint96(STAKE_VAULT.slashLocked(round_.miner, lost));
        }
    }

    /// @inheritdoc ITrainingMarket
    function recordSeed(TaskId taskId) external {
        _requirePhase(taskId, Phase.Seeding);
        (uint64 number, Round storage round_) = _lastRound(taskId);
        uint64 ticket = round_.seedTicket;
        if (ticket == 0) revert SeedNotRequested(number);
        (IRandomness.Availability availability, bytes32 seed) = RANDOMNESS.read(ticket);
        if (availability == IRandomness.Availability.Pending) revert SeedPending(ticket);
        if (availability == IRandomness.Availability.OutOfReach) revert SeedOutOfReach(ticket);
        round_.stage = Stage.Seeded;
        round_.seed = seed;
        round_.seededAt = block.timestamp.toUint48();
        emit SeedRecorded(taskId, number, seed);
    }

    /// @inheritdoc ITrainingMarket
    function checkLeaves(TaskId taskId, ILeafChecker.LeafOpening[] calldata openings) external nonReentrant {
        _requirePhase(taskId, Phase.LeafChecking);
        (uint64 number, Round storage round_) = _lastRound(taskId);
        uint256 expected = taskParams[taskId].leafChecks;
        if (openings.length != expected) revert WrongLeafCount(openings.length, expected);

        Head storage head = tasks[taskId].head;
        ILeafChecker.Trees memory trees = ILeafChecker.Trees({
            oldRoot: head.fullRoot,
            updateRoot: round_.updateRoot,
            newRoot: round_.fullRoot,
            quantRoot: round_.quantRoot
        });
        uint256 parameterCount = head.parameterCount;
        uint256 leafCount = LEAF_CHECKER.leafCount(parameterCount);
        bytes32 seed = round_.seed;
        for (uint256 j = 0; j < expected; j++) {
            uint256 index = Draws.draw(seed, Draws.LEAF, TaskId.unwrap(taskId), number, 0, j) % leafCount;
            (LeafVerdict verdict, uint256 element) = LEAF_CHECKER.check(
                trees,
                parameterCount,
                index,
                openings[j]
            );
            if (verdict != LeafVerdict.Valid) {
                emit LeafRefuted(taskId, number, index, verdict, element);
                _endRefuted(taskId, number, round_, verdict);
                return;
            }
        }
        round_.stage = Stage.Checked;
        emit LeavesChecked(taskId, number);
    }

    /// @inheritdoc ITrainingMarket
    function commitAttestation(TaskId taskId, bytes32 commitment) external {
        if (commitment == 0) revert ZeroCommitment();
        _requirePhase(taskId, Phase.Committing);
        (uint64 number, Round storage round_) = _lastRound(taskId);
        if (msg.sender == round_.miner) revert OwnProposal(msg.sender);
        Attestation storage attestation_ = attestationOf[taskId][number][msg.sender];
        if (attestation_.commitment != 0) revert AlreadyAttested(msg.sender, number);
        uint256 stake = STAKE_VAULT.pooledAt(
            address(this),
            TaskId.unwrap(taskId),
            msg.sender,
            round_.proposalEndsAt - 1
        );
        uint256 least = taskParams[taskId].verifierStake;
        if (stake < least) revert StakeTooSmall(stake, least);

        attestation_.commitment = commitment;
        attesterOf[taskId][number][round_.attesters++] = Attester(msg.sender, uint96(stake));
        round_.committedStake += uint96(stake);
        emit AttestationCommitted(taskId, number, msg.sender, commitment, stake);
    }

    /// @inheritdoc ITrainingMarket
    function revealAttestation(
        TaskId taskId,
        Verdict verdict,
        uint8 reason,
        uint64 lossBefore,
        uint64 lossAfter,
        bytes32 salt
    ) external {
        _requirePhase(taskId, Phase.Revealing);
        (uint64 number, ) = _lastRound(taskId);
        Attestation storage attestation_ = attestationOf[taskId][number][msg.sender];
        if (attestation_.commitment == 0) revert NothingCommitted(msg.sender, number);
        if (attestation_.verdict != Verdict.None) revert AlreadyAttested(msg.sender, number);
        bytes32 commitment = keccak256(
            abi.encode(
                block.chainid,
                address(this),
                taskId,
                number,
                msg.sender,
                verdict,
                reason,
                lossBefore,
                lossAfter,
                salt
            )
        );
        if (commitment != attestation_.commitment) {
            revert CommitmentMismatch(commitment, attestation_.commitment);
        }
        // Losses go with a positive verdict, a reason with a negative one.
        if (verdict == Verdict.None || (verdict == Verdict.Negative) == (reason == 0)) {
            revert InvalidVerdict(verdict, reason);
        }
        if (verdict != Verdict.Positive && (lossBefore != 0 || lossAfter != 0)) {
            revert InvalidVerdict(verdict, reason);
        }
        attestation_.verdict = verdict;
        attestation_.reason = reason;
        attestation_.lossBefore = lossBefore;
        attestation_.lossAfter = lossAfter;
        emit AttestationRevealed(taskId, number, msg.sender, verdict, reason, lossBefore, lossAfter);
    }

    /// @inheritdoc ITrainingMarket
    function finalize(TaskId taskId) external nonReentrant {
        _requirePhase(taskId, Phase.Ended);
        (uint64 number, Round storage round_) = _lastRound(taskId);
        Stage stage = round_.stage;
        if (stage == Stage.Checked) {
            _endTallied(taskId, number, round_);
        } else {
            Outcome outcome = Outcome.Unchecked;
            if (stage == Stage.Sealed) outcome = Outcome.Unopened;
            else if (stage == Stage.Opened) outcome = Outcome.Unseeded;
            _endUntallied(taskId, number, round_, outcome);
        }
    }

    /* VIEWS */

    /// @inheritdoc ITrainingMarket
    // solhint-disable-next-line func-name-mixedcase
    function VAULT() external view returns (address) {
        return address(STAKE_VAULT);
    }

    /// @inheritdoc ITrainingMarket
    // solhint-disable-next-line func-name-mixedcase
    function TOKEN() external view returns (address) {
        return address(STAKE_TOKEN);
    }

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
    function phase(TaskId taskId) public view returns (Phase) {
        _requireKnown(taskId);
        if (tasks[taskId].closed) return Phase.Closed;
        (uint64 number, Round storage round_) = _lastRound(taskId);
        if (number == 0 || round_.stage == Stage.Final) return Phase.Idle;
        return round_.phase(taskParams[taskId], MAX_SEEDING_SECONDS);
    }

    /// @inheritdoc ITrainingMarket
    function attesters(TaskId taskId, uint256 number) public view returns (Attester[] memory list) {
        list = new Attester[](rounds[taskId][number].attesters);
        for (uint256 i = 0; i < list.length; i++) list[i] = attesterOf[taskId][number][i];
    }

    /// @inheritdoc ITrainingMarket
    function attestation(
        TaskId taskId,
        uint256 number,
        address verifier
    ) external view returns (Attestation memory) {
        return attestationOf[taskId][number][verifier];
    }

    /* INTERNAL: ENDS */

    /// @dev A non-finite old leaf is the genesis' fault: the task ends and nobody loses a bond. Any other verdict is
    /// the miner's: its bond is forfeit.
    function _endRefuted(TaskId taskId, uint64 number, Round storage round_, LeafVerdict verdict) internal {
        Outcome outcome = verdict == LeafVerdict.NonFiniteOld ? Outcome.PoisonedHead : Outcome.Fraud;
        _endUntallied(taskId, number, round_, outcome);
        if (outcome == Outcome.PoisonedHead) _close(taskId, tasks[taskId]);
    }

    /// @dev No committee worked: reserved rewards and the fee go to the task, the bond back to its miner or half of it
    /// to the task and half burned. From a head that was never a model the fee goes back too.
    function _endUntallied(TaskId taskId, uint64 number, Round storage round_, Outcome outcome) internal {
        TaskParams storage params_ = taskParams[taskId];
        Task storage task_ = tasks[taskId];
        _setFinal(round_, outcome);
        emit RoundFinalized(taskId, number, outcome, 0, 0, 0);
        uint256 returned = uint256(params_.minerReward) + params_.verifierReward;
        if (outcome == Outcome.PoisonedHead) _earn(taskId, round_.miner, params_.proposalFee);
        else returned += params_.proposalFee;
        if (outcome == Outcome.Unseeded || outcome == Outcome.PoisonedHead) {
            STAKE_VAULT.unlock(round_.miner, round_.bond);
        } else {
            returned += STAKE_VAULT.slashLocked(round_.miner, round_.bond);
        }
        task_.escrow += returned.toUint96();
    }

    /// @dev The loops run over at most MAX_VERIFIERS: only those enrolled when the proposal window closed committed.
    function _endTallied(TaskId taskId, uint64 number, Round storage round_) internal {
        TaskParams memory params_ = taskParams[taskId];
        Attester[] memory committed = attesters(taskId, number);
        Attestation[] memory revealed = new Attestation[](committed.length);
        for (uint256 i = 0; i < committed.length; i++) {
            Attestation storage stored = attestationOf[taskId][number][committed[i].account];
            Attestation memory copy = revealed[i];
            // The commitment has a slot of its own and did its work at the reveal.
            copy.verdict = stored.verdict;
            copy.lossBefore = stored.lossBefore;
            copy.lossAfter = stored.lossAfter;
        }
        uint256 enrolledStake = STAKE_VAULT.poolTotalAt(
            address(this),
            TaskId.unwrap(taskId),
            round_.proposalEndsAt - 1
        );
        bool quorate = uint256(round_.committedStake) * BPS >= enrolledStake * params_.quorumBps;
        Tally.Result memory result = Tally.count(
            committed,
            revealed,
            quorate,
            params_.minImprovementMicroNats,
            params_.toleranceMicroNats
        );

        _setFinal(round_, result.outcome);
        emit RoundFinalized(
            taskId,
            number,
            result.outcome,
            result.improvement,
            result.positiveStake,
            result.negativeStake
        );
        // Void rounds pay the committee its fee and nothing else.
        uint256 pot = params_.proposalFee;
        uint256 returned = uint256(params_.minerReward) + params_.verifierReward;
        if (result.outcome != Outcome.Void) {
            pot += params_.verifierReward;
            returned -= params_.verifierReward;
        }
        if (result.outcome == Outcome.Confirmed) {
            returned -= params_.minerReward;
            _earn(taskId, round_.miner, params_.minerReward);
        }
        pot += _settleBond(taskId, number, round_, result.outcome, params_.rejectionBps);
        pot += _penalize(taskId, number, committed, result, params_);
        uint256 paid = _reward(taskId, committed, result, pot);
        tasks[taskId].escrow += (returned + pot - paid).toUint96();
    }

    /// @return paid the share of the slashed bond that is not burned
    function _settleBond(
        TaskId taskId,
        uint64 number,
        Round storage round_,
        Outcome outcome,
        uint16 rejectionBps
    ) internal returns (uint256 paid) {
        address miner = round_.miner;
        uint96 bond = round_.bond;
        if (outcome == Outcome.Confirmed) {
            Task storage task_ = tasks[taskId];
            _releaseHeadBond(task_);
            task_.head.fullRoot = round_.fullRoot;
            task_.head.quantRoot = round_.quantRoot;
            task_.headMiner = miner;
            task_.headBond = bond;
            emit HeadMoved(taskId, number, round_.fullRoot, round_.quantRoot, round_.updateRoot);
            return 0;
        }
        uint96 lost = outcome == Outcome.Rejected ? _shareRoundedDown(bond, rejectionBps) : 0;
        if (lost != 0) paid = STAKE_VAULT.slashLocked(miner, lost);
        STAKE_VAULT.unlock(miner, bond - lost);
    }

    /// @return paid the share of the penalties that is not burned
    function _penalize(
        TaskId taskId,
        uint64 number,
        Attester[] memory committed,
        Tally.Result memory result,
        TaskParams memory params_
    ) internal returns (uint256 paid) {
        uint256 pool = TaskId.unwrap(taskId);
        for (uint256 i = 0; i < committed.length; i++) {
            uint96 penalty = 0;
            if (result.standings[i] == Tally.Standing.Silent) penalty = params_.missedRevealPenalty;
            else if (result.standings[i] == Tally.Standing.Deviating) penalty = params_.deviationPenalty;
            if (penalty == 0) continue;
            emit VerifierPenalized(taskId, number, committed[i].account, penalty);
            paid += STAKE_VAULT.slashPooled(pool, committed[i].account, penalty);
        }
    }

    /// @dev Shares of the pot by stake, rounded down.
    function _reward(
        TaskId taskId,
        Attester[] memory committed,
        Tally.Result memory result,
        uint256 pot
    ) internal returns (uint256 paid) {
        for (uint256 i = 0; i < committed.length; i++) {
            if (result.standings[i] != Tally.Standing.Rewarded) continue;
            uint256 share = (pot * committed[i].stake) / result.rewardedStake;
            paid += share;
            _earn(taskId, committed[i].account, share);
        }
    }

    function _close(TaskId taskId, Task storage task_) internal {
        uint96 rest = task_.escrow;
        task_.closed = true;
        task_.escrow = 0;
        emit TaskClosed(taskId, rest);
        _releaseHeadBond(task_);
        _earn(taskId, task_.owner, rest);
    }

    function _releaseHeadBond(Task storage task_) internal {
        uint96 bond = task_.headBond;
        if (bond == 0) return;
        task_.headBond = 0;
        STAKE_VAULT.unlock(task_.headMiner, bond);
    }

    function _earn(TaskId taskId, address account, uint256 amount) internal {
        if (amount == 0) return;
        claimable[account] += amount;
        emit Earned(taskId, account, amount);
    }

    function _setFinal(Round storage round_, Outcome outcome) internal {
        round_.stage = Stage.Final;
        round_.outcome = outcome;
    }

    /* INTERNAL: CHECKS */

    function _requireKnown(TaskId taskId) internal view {
        if (TaskId.unwrap(taskId) >= taskCount) revert UnknownTask(taskId);
    }

    function _openTask(TaskId taskId) internal view returns (Task storage task_) {
        _requireKnown(taskId);
        task_ = tasks[taskId];
        if (task_.closed) revert TaskAlreadyClosed(taskId);
    }

    function _lastRound(TaskId taskId) internal view returns (uint64 number, Round storage round_) {
        number = tasks[taskId].round;
        round_ = rounds[taskId][number];
    }

    function _requirePhase(TaskId taskId, Phase expected) internal view {
        Phase now_ = phase(taskId);
        if (now_ != expected) revert WrongPhase(now_, expected);
    }

    function _requireNoRound(TaskId taskId, Task storage task_) internal view {
        Phase now_ = phase(taskId);
        if (now_ == Phase.Idle) return;
        address miner = rounds[taskId][task_.round].miner;
        if (miner == msg.sender) revert AlreadyProposed(miner, task_.round);
        if (now_ == Phase.Proposing) revert RoundTaken(task_.round, miner);
        revert WrongPhase(now_, Phase.Idle);
    }

    function _requireShort(string calldata text) internal pure {
        if (bytes(text).length > MAX_TEXT_BYTES) revert TextTooLong(bytes(text).length, MAX_TEXT_BYTES);
    }

    function _shareRoundedDown(uint96 amount, uint256 bps) internal pure returns (uint96) {
        return uint96((uint256(amount) * bps) / BPS);
    }
}
