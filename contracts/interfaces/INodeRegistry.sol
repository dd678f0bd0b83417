// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IStakeVault} from "./IStakeVault.sol";

type ModelId is uint256;

/// @title INodeRegistry
/// @notice PoQ (arXiv 2405.17934): the models that are served, the nodes that serve and judge them, and whom a query's
/// seed draws from them. A node answers for a model with stake of its own for each of its two roles, and is trusted for
/// each apart.
/// @dev Everything that a draw depends on is read as it was when the query was asked, before anybody knew the seed: stake
/// by the vault's checkpoints, prices and places by the times of their last change, trust by the hour.
/// Amounts are in token wei, times in seconds, shares, scores and trust in millionths.
interface INodeRegistry {
    /* TYPES */

    /// @notice A responder answers prompts (the paper's F-node); an assessor scores answers (its M-node).
    enum Role {
        Responder,
        Assessor
    }

    /// @notice How a consensus is made of the assessors' scores.
    enum Aggregate {
        Median,
        TrimmedMean
    }

    /// @notice What a model fixes for good.
    /// @param nodeStake least stake of a node, in either role; what equivocation costs
    /// @param stakeCap stake beyond it does not count in draws
    /// @param answerSeconds longest time from asking to the last answer
    /// @param commitSeconds time to commit scores
    /// @param revealSeconds time to reveal them
    /// @param trimShare of weight cut at each end of a trimmed mean; 0 is the plain mean
    /// @param burnShare of the fee that is burned
    /// @param assessorShare of the fee that all assessors together can earn
    /// @param qualityFactor α: what quality earns of an answer's most
    /// @param costFactor β: what its price takes from that
    /// @param toleranceScore least distance from the consensus that makes a score an outlier
    /// @param quorumShare of the drawn weight that has to reveal for a consensus
    /// @param trustFloor where trust starts, and below which it never falls
    /// @param trustRate share of the way from trust to a query's quality that trust moves
    /// @param leastFee that an answer can earn at the least
    /// @param trustPrice wei that a query burns, for each of its nodes, for a millionth that a node's trust rises
    /// @param deviationMultiple c: an outlier is farther than c deviations too
    // solhint-disable-next-line gas-struct-packing
    struct ModelParams {
        uint96 nodeStake;
        uint96 stakeCap;
        uint32 answerSeconds;
        uint32 commitSeconds;
        uint32 revealSeconds;
        Aggregate aggregate;
        uint24 trimShare;
        uint24 burnShare;
        uint24 assessorShare;
        uint24 qualityFactor;
        uint24 costFactor;
        uint24 toleranceScore;
        uint24 quorumShare;
        uint24 trustFloor;
        uint24 trustRate;
        uint96 leastFee;
        uint64 trustPrice;
        uint8 deviationMultiple;
    }

    /// @notice Where a draw finds a node.
    /// @param from time from which on it can be drawn
    /// @param until time from which on it can't; 0 while it can
    struct Place {
        address node;
        uint48 from;
        uint48 until;
    }

    /// @param place its index plus 1; 0 for who never joined
    /// @param price of an answer, in force since `pricedAt`; an assessor's is 0
    struct Node {
        uint32 place;
        uint72 price;
        uint72 priceBefore;
        uint48 pricedAt;
    }

    /// @notice A node as a query draws it.
    struct Drawn {
        address node;
        uint24 trust;
        uint72 price;
    }

    /// @notice What a query's draws read.
    /// @param askedAt whose state counts
    /// @param responderPlaces how many there were, and of assessors
    /// @param responders how many are wanted, and assessors
    /// @param maxPrice which responder asks for more is passed over
    struct Draw {
        ModelId model;
        uint256 query;
        bytes32 seed;
        uint48 askedAt;
        uint256 responderPlaces;
        uint256 assessorPlaces;
        uint256 responders;
        uint256 assessors;
        uint256 maxPrice;
    }

    /* EVENTS */

    event ModelRegistered(
        ModelId indexed model,
        address indexed registrant,
        bytes32 recordHash,
        string location,
        ModelParams params
    );
    /// @notice Where a node serves, and the X25519 key to which is encrypted what only it may read.
    event NodeAnnounced(address indexed node, string endpoint, bytes32 encryptionKey);
    event NodeJoined(
        ModelId indexed model,
        Role indexed role,
        address indexed node,
        uint256 stake,
        uint256 price,
        uint256 place
    );
    event StakeAdded(ModelId indexed model, Role indexed role, address indexed node, uint256 amount);
    event PriceSet(ModelId indexed model, address indexed node, uint256 price);
    event NodeLeft(ModelId indexed model, Role indexed role, address indexed node);
    /// @param paid to each node of the query, responders first
    /// @param trust of each afterwards
    event NodesSettled(ModelId indexed model, uint256 indexed query, uint256[] paid, uint256[] trust);
    event EarningsCollected(ModelId indexed model, Role indexed role, address indexed node, uint256 amount);

    /* ERRORS */

    error NotMarket(address caller);
    error UnknownModel(ModelId model);
    error ParameterOutOfRange(string name, uint256 given, uint256 limit);
    error TextTooLong(uint256 given, uint256 limit);
    error StakeTooSmall(uint256 given, uint256 limit);
    error AlreadyJoined(ModelId model, Role role, address node);
    error NotJoined(ModelId model, Role role, address node);
    error PriceSetTooSoon(uint256 timestamp, uint256 settableAt);
    error AssessorHasNoPrice(uint256 given);
    error StakeSuffices(uint256 stake, uint256 limit);
    error ZeroAmount();
    error ZeroKey();
    error NothingEarned(ModelId model, Role role, address node);

    /* MODELS */

    /// @notice Registers what is served and how it is judged.
    /// @param recordHash keccak-256 of the record: the model's manifest, and the cross-encoder, tokenizer, truncation and
    /// logit map that judge it
    /// @param location where the record is, at most 256 bytes
    function registerModel(
        ModelParams calldata params,
        bytes32 recordHash,
        string calldata location
    ) external returns (ModelId model);

    /* NODES */

    /// @notice Tells where the caller serves, at most 256 bytes, and its X25519 public key.
    function announce(string calldata endpoint, bytes32 encryptionKey) external;

    /// @notice Has the caller be drawn from now on, and so accepts the duties that it is drawn for. It stands at the place
    /// that was left first, once that is out of every query's reach, else at a new one: who joins and leaves over and over
    /// leaves no places behind that would make draws fail.
    /// @param amount of its free stake, at least the model's `nodeStake`
    /// @param price of an answer; 0 for an assessor
    function join(ModelId model, Role role, uint96 amount, uint72 price) external;

    /// @notice Adds `amount` of the caller's free stake to what it joined with.
    function addStake(ModelId model, Role role, uint96 amount) external;

    /// @notice Sets the caller's price. Not again, nor by joining anew, before every query is selected that was asked
    /// until then.
    function setPrice(ModelId model, uint72 price) external;

    /// @notice Has the caller not be drawn any more. All its stake in the role starts its withdrawal, slashable for the
    /// duties that it was drawn for.
    function quit(ModelId model, Role role) external;

    /// @notice The same for a node whom penalties left less than the least stake. By anyone.
    function evict(ModelId model, Role role, address node) external;

    /// @notice Moves what a node earned in a role to its balance in the vault. By anyone.
    function collect(ModelId model, Role role, address node) external;

    /* THE MARKET'S */

    /// @notice Market only: takes a query's fee into escrow, but for what is burned of it.
    /// @param asker the market's caller, who approved the vault
    function hold(address asker, uint256 fee, uint256 burned) external;

    /// @notice Market only: gives the asker what is left of a query's fee.
    function release(address asker, uint256 refund) external;

    /// @notice Market only: pays each node of a query and moves its trust toward its quality, and releases the rest of the
    /// fee.
    /// @param nodes responders first
    /// @param paid to each
    /// @param qualities above 1,000,000 of who is not judged
    /// @param burned of the fee: bounds how far trust rises
    function settle(
        ModelId model,
        uint256 query,
        address[] calldata nodes,
        uint256 responders,
        uint256[] calldata paid,
        uint256[] calldata qualities,
        address asker,
        uint256 refund,
        uint256 burned
    ) external;

    /// @notice Market only: takes up to `amount` of a node's stake in a role.
    /// @param prover who gets half of it; zero where all is burned
    function slash(ModelId model, Role role, address node, uint96 amount, address prover) external;

    /* VIEWS */

    /// @notice Whom a seed draws: each draw picks a place, and takes its node with probability
    /// trust · min(stake, cap) / cap. Nobody is drawn for both roles.
    /// @return nodes responders first
    /// @return isFilled whether as many were found as are wanted, before too many draws failed
    function draw(Draw calldata given) external view returns (Drawn[] memory nodes, bool isFilled);

    function params(ModelId model) external view returns (ModelParams memory);

    function modelCount() external view returns (uint256);

    function placeCount(ModelId model, Role role) external view returns (uint256);

    function place(ModelId model, Role role, uint256 index) external view returns (Place memory);

    function nodeOf(ModelId model, Role role, address account) external view returns (Node memory);

    /// @notice Whether the account joined and did not leave.
    function isJoined(ModelId model, Role role, address account) external view returns (bool);

    function stakeOf(ModelId model, Role role, address account) external view returns (uint256);

    /// @notice What the account earned and did not collect.
    function earnedOf(ModelId model, Role role, address account) external view returns (uint256);

    /// @notice Trust as queries change it.
    function trustOf(ModelId model, Role role, address account) external view returns (uint256);

    /// @notice Trust as queries asked at `timestamp` read it: as the hour of then began.
    function trustAt(
        ModelId model,
        Role role,
        address account,
        uint48 timestamp
    ) external view returns (uint256);

    // solhint-disable-next-line func-name-mixedcase
    function MARKET() external view returns (address);

    // solhint-disable-next-line func-name-mixedcase
    function VAULT() external view returns (IStakeVault);

    /// @notice Most draws for each node that is wanted.
    // solhint-disable-next-line func-name-mixedcase
    function DRAWS_PER_NODE() external view returns (uint256);
}
