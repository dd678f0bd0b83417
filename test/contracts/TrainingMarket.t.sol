// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LeafChecker} from "../../contracts/LeafChecker.sol";
import {StakeVault} from "../../contracts/StakeVault.sol";
import {TestToken} from "../../contracts/TestToken.sol";
import {TrainingMarket} from "../../contracts/TrainingMarket.sol";
import {ILeafChecker} from "../../contracts/interfaces/ILeafChecker.sol";
import {IRandomness} from "../../contracts/interfaces/IRandomness.sol";
import {ITrainingMarket, TaskId} from "../../contracts/interfaces/ITrainingMarket.sol";
import {BlockHashRandomness} from "../../contracts/randomness/BlockHashRandomness.sol";

/// @dev The test runner's own calls, as far as they are used here.
interface IVm {
    function prank(address sender) external;

    function warp(uint256 timestamp) external;

    function roll(uint256 blockNumber) external;
}

/// @notice Random play of all parties over several tasks: what the contracts hold is at all times what they owe, and
/// in the end everybody can take out everything.
contract TrainingMarketTest {
    IVm internal constant VM = IVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address internal constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    uint256 internal constant STEPS = 250;

    uint48 internal constant WITHDRAWAL_DELAY_SECONDS = 3 days;

    uint256 internal constant PARTIES = 6;

    /// @dev Odd and small, so that every rounding happens.
    ITrainingMarket.TaskParams internal params = ITrainingMarket.TaskParams({
        minerReward: 101,
        verifierReward: 53,
        proposalFee: 7,
        minerBond: 1003,
        verifierStake: 100,
        missedRevealPenalty: 67,
        deviationPenalty: 33,
        proposalSeconds: 60,
        openingSeconds: 60,
        leafCheckSeconds: 60,
        commitSeconds: 60,
        revealSeconds: 60,
        disputeSeconds: 60,
        closeDelaySeconds: 400,
        quorumBps: 4_000,
        rejectionBps: 777,
        leafChecks: 2,
        minImprovementMicroNats: 3,
        toleranceMicroNats: 1
    });

    TestToken internal token;
    StakeVault internal vault;
    BlockHashRandomness internal randomness;
    TrainingMarket internal market;

    address[PARTIES] internal parties;
    address internal owner;

    TaskId internal taskId;
    uint256 internal random;
    uint256 internal time = 1_900_000_000;
    uint256 internal height = 1_000;

    /// @dev What each verifier committed to in the present round.
    mapping(address verifier => Vote) internal votes;

    /// @dev Whether the present round's new leaf is not the sum.
    bool internal isForged;

    mapping(ITrainingMarket.Outcome => uint256) internal outcomes;

    struct Vote {
        ITrainingMarket.Verdict verdict;
        uint8 reason;
        uint64 lossBefore;
        uint64 lossAfter;
    }

    error Unequal(string what, uint256 given, uint256 expected);

    function setUp() public {
        token = new TestToken();
        vault = new StakeVault(token, WITHDRAWAL_DELAY_SECONDS);
        randomness = new BlockHashRandomness();
        market = new TrainingMarket(token, vault, randomness, new LeafChecker());
        address[] memory protocols = new address[](1);
        protocols[0] = address(market);
        vault.fixProtocols(protocols);
        for (uint256 i = 0; i < PARTIES; i++) {
            parties[i] = address(uint160(0x1000 + i));
            VM.prank(parties[i]);
            token.faucet(4_000_000);
            VM.prank(parties[i]);
            token.approve(address(vault), type(uint256).max);
            VM.prank(parties[i]);
            token.approve(address(market), type(uint256).max);
            VM.prank(parties[i]);
            vault.deposit(400_000);
        }
        owner = parties[0];
        _mine(0, 0);
        _startTask();
    }

    /// hardhat-config: fuzz.runs = 24
    function testFuzz_play_keepsEveryWei(uint256 seed) public {
        random = seed;
        for (uint256 i = 0; i < STEPS; i++) {
            _play();
            _requireSolvent();
        }
        _takeEverythingOut();
    }

    /// @dev What the fuzzed test plays is worth playing: one long game meets every end that a round can have.
    function test_play_meetsEveryOutcome() public {
        for (uint256 i = 0; i < 12 * STEPS; i++) _play();
        _takeEverythingOut();
        uint256 last = uint256(ITrainingMarket.Outcome.Fraud);
        for (uint256 i = uint256(ITrainingMarket.Outcome.Confirmed); i <= last; i++) {
            if (outcomes[ITrainingMarket.Outcome(i)] == 0) revert Unequal("outcome never met", i, last);
        }
    }

    /* ACTIONS */

    function _play() internal {
        uint256 kind = _below(20);
        if (kind == 0) _pass(_below(130));
        else if (kind == 1) _stake();
        else if (kind == 2) _administer();
        else _stepRound();
    }

    function _startTask() internal {
        ITrainingMarket.Head memory genesis = ITrainingMarket.Head(
            keccak256(new bytes(1024)),
            keccak256(new bytes(136)),
            200
        );
        VM.prank(owner);
        taskId = market.registerTask(params, genesis, 0, "");
        VM.prank(owner);
        market.fundTask(taskId, 1_000);
        for (uint256 i = 3; i < PARTIES; i++) {
            VM.prank(parties[i]);
            try market.enrol(taskId, uint96(100 + 37 * i)) {} catch {}
        }
    }

    /// @dev What stakers do on their own.
    function _stake() internal {
        address party = parties[_below(PARTIES)];
        uint256 kind = _below(7);
        uint256 amount = 1 + _below(300);
        VM.prank(party);
        if (kind == 0) try vault.deposit(amount) {} catch {}
        else if (kind == 1) try vault.requestWithdrawal(amount) {} catch {}
        else if (kind == 2) try vault.completeWithdrawal() {} catch {}
        else if (kind == 3) try market.enrol(taskId, uint96(amount)) {} catch {}
        else if (kind == 4) try market.disenrol(taskId) {} catch {}
        else try market.claim(party) {} catch {}
    }

    function _administer() internal {
        uint256 kind = _below(6);
        VM.prank(owner);
        if (kind == 0) try market.requestClose(taskId) {} catch {}
        else try market.fundTask(taskId, 1 + _below(400)) {} catch {}
    }

    /// @dev What takes the round on from its phase, or lets the phase pass.
    function _stepRound() internal {
        ITrainingMarket.Phase phase = market.phase(taskId);
        uint256 choice = _below(8);
        if (phase == ITrainingMarket.Phase.Closed) _startTask();
        else if (phase == ITrainingMarket.Phase.Idle) _propose();
        else if (phase == ITrainingMarket.Phase.Opening && choice != 0) _open();
        else if (phase == ITrainingMarket.Phase.Seeding && (choice != 0 || _below(3) != 0)) _seed();
        else if (phase == ITrainingMarket.Phase.LeafChecking && choice != 0) _checkLeaves();
        else if (phase == ITrainingMarket.Phase.Committing && choice > 2) _commit();
        else if (phase == ITrainingMarket.Phase.Revealing && choice > 1) _reveal();
        else if (phase == ITrainingMarket.Phase.Ended) _finalize();
        else _pass(phase == ITrainingMarket.Phase.Seeding || _below(24) == 0 ? 1 days : 60);
    }

    function _propose() internal {
        try market.closeTask(taskId) {
            return;
        } catch {}
        address miner = parties[1 + _below(2)];
        isForged = _below(8) == 0;
        uint256 number = market.task(taskId).round + 1;
        bytes32 commitment = keccak256(
            abi.encode(
                block.chainid,
                market,
                taskId,
                number,
                miner,
                keccak256(_newLeaf()),
                keccak256(new bytes(136)),
                keccak256(new bytes(136)),
                "",
                bytes32(0)
            )
        );
        for (uint256 i = 0; i < PARTIES; i++) delete votes[parties[i]];
        VM.prank(miner);
        try market.propose(taskId, commitment) {} catch {
            VM.prank(owner);
            try market.fundTask(taskId, 500) {} catch {}
        }
    }

    function _open() internal {
        bytes32 quantRoot = keccak256(new bytes(136));
        bytes32 fullRoot = keccak256(_newLeaf());
        try market.openProposal(taskId, fullRoot, quantRoot, quantRoot, "", 0) {} catch {
            _pass(60);
        }
    }

    function _seed() internal {
        uint64 ticket = _round().seedTicket;
        IRandomness.Availability availability;
        if (ticket != 0) (availability, ) = randomness.read(ticket);
        if (ticket == 0 || availability == IRandomness.Availability.OutOfReach) market.requestSeed(taskId);
        else if (availability == IRandomness.Availability.Ready) market.recordSeed(taskId);
        else _mine(1, _below(5) == 0 ? 300 : 3);
    }

    function _checkLeaves() internal {
        ILeafChecker.LeafOpening[] memory openings = new ILeafChecker.LeafOpening[](2);
        for (uint256 j = 0; j < 2; j++) {
            openings[j].oldLeaf = new bytes(1024);
            openings[j].updateLeaf = new bytes(136);
            openings[j].newLeaf = _newLeaf();
            openings[j].quantLeaf = new bytes(136);
        }
        market.checkLeaves(taskId, openings);
        if (isForged) outcomes[_round().outcome]++;
    }

    function _commit() internal {
        address verifier = parties[3 + _below(3)];
        if (market.attestation(taskId, market.task(taskId).round, verifier).commitment != 0) return;
        Vote memory vote;
        uint256 kind = _below(8);
        if (kind == 0) vote = Vote(ITrainingMarket.Verdict.Unavailable, 0, 0, 0);
        else if (kind < 3) vote = Vote(ITrainingMarket.Verdict.Negative, 1, 0, 0);
        else vote = Vote(ITrainingMarket.Verdict.Positive, 0, uint64(10 + _below(3)), uint64(6 + _below(7)));
        votes[verifier] = vote;
        uint256 number = market.task(taskId).round;
        bytes32 commitment = keccak256(
            abi.encode(
                block.chainid,
                market,
                taskId,
                number,
                verifier,
                vote.verdict,
                vote.reason,
                vote.lossBefore,
                vote.lossAfter,
                bytes32(0)
            )
        );
        VM.prank(verifier);
        try market.commitAttestation(taskId, commitment) {} catch {}
    }

    function _reveal() internal {
        address verifier = parties[3 + _below(3)];
        Vote memory vote = votes[verifier];
        VM.prank(verifier);
        try
            market.revealAttestation(taskId, vote.verdict, vote.reason, vote.lossBefore, vote.lossAfter, 0)
        {} catch {}
    }

    /// @dev Whatever happened, a round that has ended can be finalized.
    function _finalize() internal {
        market.finalize(taskId);
        outcomes[_round().outcome]++;
    }

    function _pass(uint256 duration) internal {
        _mine(duration, 1 + duration / 12);
    }

    /// @dev Time and height are kept here: the compiler takes `block.timestamp` for the same in all of a call.
    function _mine(uint256 duration, uint256 blocks) internal {
        VM.warp(time += duration);
        VM.roll(height += blocks);
    }

    /* PROPERTIES */

    function _requireSolvent() internal view {
        uint256 staked = 0;
        uint256 owed = 0;
        uint256 held = token.balanceOf(BURN_ADDRESS);
        uint256[PARTIES] memory bonds;
        for (uint256 i = 0; i < PARTIES; i++) {
            staked += vault.stakeOf(parties[i]);
            owed += market.claimable(parties[i]);
            held += token.balanceOf(parties[i]);
        }
        for (uint256 id = 0; id < market.taskCount(); id++) {
            ITrainingMarket.Task memory task = market.task(TaskId.wrap(id));
            ITrainingMarket.Round memory round = market.round(TaskId.wrap(id), task.round);
            owed += task.escrow;
            bool isLive =
                round.stage != ITrainingMarket.Stage.None && round.stage != ITrainingMarket.Stage.Final;
            if (isLive) owed += params.minerReward + params.verifierReward + params.proposalFee;
            for (uint256 i = 0; i < PARTIES; i++) {
                if (isLive && round.miner == parties[i]) bonds[i] += round.bond;
                if (task.headMiner == parties[i]) bonds[i] += task.headBond;
            }
        }
        _requireEqual("vault", token.balanceOf(address(vault)), staked);
        _requireEqual("market", token.balanceOf(address(market)), owed);
        _requireEqual("supply", token.totalSupply(), held + staked + owed);
        for (uint256 i = 0; i < PARTIES; i++) {
            _requireEqual("locked", vault.accounts(parties[i]).locked, bonds[i]);
        }
    }

    /// @dev Ends the round, closes the task, and has everybody leave: none of these calls may fail.
    function _takeEverythingOut() internal {
        if (market.phase(taskId) != ITrainingMarket.Phase.Closed) {
            // Longer than any round.
            _pass(WITHDRAWAL_DELAY_SECONDS);
            if (market.phase(taskId) == ITrainingMarket.Phase.Ended) market.finalize(taskId);
            if (market.task(taskId).closableAt == 0) {
                VM.prank(owner);
                market.requestClose(taskId);
            }
            _pass(params.closeDelaySeconds);
            market.closeTask(taskId);
        }
        for (uint256 i = 0; i < PARTIES; i++) {
            address party = parties[i];
            for (uint256 id = 0; id < market.taskCount(); id++) {
                if (!market.isEnrolled(TaskId.wrap(id), party)) continue;
                VM.prank(party);
                market.disenrol(TaskId.wrap(id));
            }
            if (market.claimable(party) != 0) market.claim(party);
            uint256 free = vault.accounts(party).free;
            if (free == 0) continue;
            VM.prank(party);
            vault.requestWithdrawal(free);
        }
        _pass(WITHDRAWAL_DELAY_SECONDS);
        for (uint256 i = 0; i < PARTIES; i++) {
            if (vault.accounts(parties[i]).withdrawing == 0) continue;
            VM.prank(parties[i]);
            vault.completeWithdrawal();
        }
        _requireEqual("left in the vault", token.balanceOf(address(vault)), 0);
        _requireEqual("left in the market", token.balanceOf(address(market)), 0);
    }

    /* HELPERS */

    function _newLeaf() internal view returns (bytes memory leaf) {
        leaf = new bytes(1024);
        if (isForged) leaf[7] = 0x3f;
    }

    function _round() internal view returns (ITrainingMarket.Round memory) {
        return market.round(taskId, market.task(taskId).round);
    }

    function _below(uint256 limit) internal returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return random % limit;
    }

    function _requireEqual(string memory what, uint256 given, uint256 expected) internal pure {
        if (given != expected) revert Unequal(what, given, expected);
    }
}
