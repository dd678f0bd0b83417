// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {DoubleEndedQueue} from "@openzeppelin/contracts/utils/structs/DoubleEndedQueue.sol";
import {INodeRegistry, ModelId} from "./interfaces/INodeRegistry.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Draws} from "./libraries/Draws.sol";
import {Standing} from "./libraries/Standing.sol";

/// @title NodeRegistry
/// @dev Calls no contract but the vault, in ways that do not come back here.
contract NodeRegistry is INodeRegistry {
    using DoubleEndedQueue for DoubleEndedQueue.Bytes32Deque;

    /* CONSTANTS */

    /// @inheritdoc INodeRegistry
    /// @dev Of 16 nodes that are all wanted, each taken by every second draw that meets it, one is missed in some 500,000
    /// queries. Less trust makes it more often: a low `trustFloor` wants more nodes than a query draws.
    uint256 public constant DRAWS_PER_NODE = 32;

    uint256 internal constant ONE = 1_000_000;

    uint256 internal constant MAX_TEXT_BYTES = 256;

    /// @dev Trust is remembered for as long (see `Trust`).
    uint256 internal constant MAX_ANSWER_SECONDS = 1 hours;

    uint256 internal constant MAX_WINDOW_SECONDS = 1 days;

    /// @dev Time to settle a query before stake that was drawn for it can leave.
    uint256 internal constant SETTLING_SECONDS = 1 hours;

    /// @dev With the least stake, one draw in 16 finds its node: see `DRAWS_PER_NODE`.
    uint256 internal constant MIN_TRUST_FLOOR = ONE / 8;

    uint256 internal constant MAX_CAP_MULTIPLE = 2;

    /* IMMUTABLES */

    /// @inheritdoc INodeRegistry
    address public immutable MARKET;

    /// @inheritdoc INodeRegistry
    IStakeVault public immutable VAULT;

    address internal immutable BURN_ADDRESS;

    /* STORAGE */

    /// @inheritdoc INodeRegistry
    uint256 public modelCount;

    mapping(ModelId model => ModelParams) internal paramsOf;

    mapping(ModelId model => mapping(Role role => Place[])) internal places;

    /// @dev Of places that were left and not taken again, first left first.
    mapping(ModelId model => mapping(Role role => DoubleEndedQueue.Bytes32Deque)) internal vacancies;

    mapping(ModelId model => mapping(Role role => mapping(address account => Node))) internal nodes;

    mapping(ModelId model => mapping(Role role => mapping(address account => Standing))) internal standings;

    /* CONSTRUCTOR */

    /// @dev The caller is the market.
    constructor(IStakeVault vault) {
        MARKET = msg.sender;
        VAULT = vault;
        BURN_ADDRESS = vault.BURN_ADDRESS();
    }

    modifier onlyMarket() {
        if (msg.sender != MARKET) revert NotMarket(msg.sender);
        _;
    }

    /* MODELS */

    /// @inheritdoc INodeRegistry
    function registerModel(
        ModelParams calldata params_,
        bytes32 recordHash,
        string calldata location
    ) external returns (ModelId model) {
        _requireShort(location);
        _check(params_);
        model = ModelId.wrap(modelCount++);
        paramsOf[model] = params_;
        emit ModelRegistered(model, msg.sender, recordHash, location, params_);
    }

    /* NODES */

    /// @inheritdoc INodeRegistry
    function announce(string calldata endpoint, bytes32 encryptionKey) external {
        _requireShort(endpoint);
        if (encryptionKey == 0) revert ZeroKey();
        emit NodeAnnounced(msg.sender, endpoint, encryptionKey);
    }

    /// @inheritdoc INodeRegistry
    function join(ModelId model, Role role, uint96 amount, uint72 price) external {
        ModelParams storage params_ = _params(model);
        if (amount < params_.nodeStake) revert StakeTooSmall(amount, params_.nodeStake);
        if (role == Role.Assessor && price != 0) revert AssessorHasNoPrice(price);
        if (isJoined(model, role, msg.sender)) revert AlreadyJoined(model, role, msg.sender);
        uint32 place_ = _takePlace(model, role, params_.answerSeconds);
        Node storage node = nodes[model][role][msg.sender];
        // Who left can still be drawn where it stood, at the price that it had.
        if (node.place != 0) _requireSettled(node, params_.answerSeconds);
        node.place = place_ + 1;
        _setPrice(node, price);
        emit NodeJoined(model, role, msg.sender, amount, price, place_);
        VAULT.joinPool(_pool(model, role), msg.sender, amount);
    }

    /// @inheritdoc INodeRegistry
    function addStake(ModelId model, Role role, uint96 amount) external {
        if (amount == 0) revert ZeroAmount();
        if (!isJoined(model, role, msg.sender)) revert NotJoined(model, role, msg.sender);
        emit StakeAdded(model, role, msg.sender, amount);
        VAULT.joinPool(_pool(model, role), msg.sender, amount);
    }

    /// @inheritdoc INodeRegistry
    function setPrice(ModelId model, uint72 price) external {
        if (!isJoined(model, Role.Responder, msg.sender)) {
            revert NotJoined(model, Role.Responder, msg.sender);
        }
        Node storage node = nodes[model][Role.Responder][msg.sender];
        _requireSettled(node, paramsOf[model].answerSeconds);
        _setPrice(node, price);
        emit PriceSet(model, msg.sender, price);
    }

    /// @inheritdoc INodeRegistry
    function quit(ModelId model, Role role) external {
        _leave(model, role, msg.sender);
    }

    /// @inheritdoc INodeRegistry
    function evict(ModelId model, Role role, address node) external {
        uint256 stake = stakeOf(model, role, node);
        uint256 least = _params(model).nodeStake;
        if (stake >= least) revert StakeSuffices(stake, least);
        _leave(model, role, node);
    }

    /// @inheritdoc INodeRegistry
    function collect(ModelId model, Role role, address node) external {
        Standing standing = standings[model][role][node];
        uint256 amount = standing.earned();
        if (amount == 0) revert NothingEarned(model, role, node);
        standings[model][role][node] = standing.collected();
        emit EarningsCollected(model, role, node, amount);
        VAULT.pay(node, amount);
    }

    /* THE MARKET'S */

    /// @inheritdoc INodeRegistry
    function hold(address asker, uint256 fee, uint256 burned) external onlyMarket {
        VAULT.collect(asker, fee);
        VAULT.pay(BURN_ADDRESS, burned);
    }

    /// @inheritdoc INodeRegistry
    function release(address asker, uint256 refund) external onlyMarket {
        VAULT.pay(asker, refund);
    }

    /// @inheritdoc INodeRegistry
    function settle(
        ModelId model,
        uint256 query,
        address[] calldata accounts,
        uint256 responders,
        uint256[] calldata paid,
        uint256[] calldata qualities,
        address asker,
        uint256 refund,
        uint256 burned
    ) external onlyMarket {
        ModelParams storage params_ = paramsOf[model];
        (uint256 floor, uint256 rate) = (params_.trustFloor, params_.trustRate);
        // Rounded down.
        uint256 mostRise = burned / (uint256(params_.trustPrice) * accounts.length);
        uint256[] memory trust = new uint256[](accounts.length);
        mapping(address account => Standing) storage ofRole = standings[model][Role.Responder];
        for (uint256 i = 0; i < accounts.length; i++) {
            if (i == responders) ofRole = standings[model][Role.Assessor];
            address node = accounts[i];
            Standing standing = ofRole[node].plus(paid[i]);
            if (qualities[i] <= ONE) {
                standing = standing.moved(floor, qualities[i], rate, mostRise, block.timestamp);
            }
            ofRole[node] = standing;
            trust[i] = standing.trust(floor);
        }
        emit NodesSettled(model, query, paid, trust);
        VAULT.pay(asker, refund);
    }

    /// @inheritdoc INodeRegistry
    function slash(
        ModelId model,
        Role role,
        address node,
        uint96 amount,
        address prover
    ) external onlyMarket {
        VAULT.slashPooled(_pool(model, role), node, amount, prover);
    }

    /* VIEWS */

    /// @inheritdoc INodeRegistry
    /// @dev The loops are bounded by the numbers of nodes wanted, which the market bounds.
    function draw(Draw calldata given) external view returns (Drawn[] memory drawn, bool isFilled) {
        ModelParams memory params_ = paramsOf[given.model];
        drawn = new Drawn[](given.responders + given.assessors);
        uint256 found = _drawRole(given, params_, Role.Responder, drawn, 0);
        if (found != given.responders) return (drawn, false);
        found = _drawRole(given, params_, Role.Assessor, drawn, found);
        isFilled = found == drawn.length;
    }

    /// @inheritdoc INodeRegistry
    function params(ModelId model) external view returns (ModelParams memory) {
        return _params(model);
    }

    /// @inheritdoc INodeRegistry
    function placeCount(ModelId model, Role role) external view returns (uint256) {
        return places[model][role].length;
    }

    /// @inheritdoc INodeRegistry
    function place(ModelId model, Role role, uint256 index) external view returns (Place memory) {
        return places[model][role][index];
    }

    /// @inheritdoc INodeRegistry
    function nodeOf(ModelId model, Role role, address account) external view returns (Node memory) {
        return nodes[model][role][account];
    }

    /// @inheritdoc INodeRegistry
    function isJoined(ModelId model, Role role, address account) public view returns (bool) {
        uint256 place_ = nodes[model][role][account].place;
        if (place_ == 0) return false;
        Place storage state = places[model][role][place_ - 1];
        return state.node == account && state.until == 0;
    }

    /// @inheritdoc INodeRegistry
    function stakeOf(ModelId model, Role role, address account) public view returns (uint256) {
        return VAULT.pooled(address(this), _pool(model, role), account);
    }

    /// @inheritdoc INodeRegistry
    function earnedOf(ModelId model, Role role, address account) external view returns (uint256) {
        return standings[model][role][account].earned();
    }

    /// @inheritdoc INodeRegistry
    function trustOf(ModelId model, Role role, address account) external view returns (uint256) {
        return standings[model][role][account].trust(paramsOf[model].trustFloor);
    }

    /// @inheritdoc INodeRegistry
    function trustAt(
        ModelId model,
        Role role,
        address account,
        uint48 timestamp
    ) external view returns (uint256) {
        return standings[model][role][account].trustAsOf(paramsOf[model].trustFloor, timestamp);
    }

    /* INTERNAL */

    function _pool(ModelId model, Role role) internal pure returns (uint256) {
        return (ModelId.unwrap(model) << 1) | uint256(role);
    }

    function _params(ModelId model) internal view returns (ModelParams storage) {
        if (ModelId.unwrap(model) >= modelCount) revert UnknownModel(model);
        return paramsOf[model];
    }

    function _requireShort(string calldata text) internal pure {
        if (bytes(text).length > MAX_TEXT_BYTES) revert TextTooLong(bytes(text).length, MAX_TEXT_BYTES);
    }

    function _takePlace(ModelId model, Role role, uint256 answerSeconds) internal returns (uint32 place_) {
        Place[] storage all = places[model][role];
        DoubleEndedQueue.Bytes32Deque storage vacant = vacancies[model][role];
        Place memory mine = Place(msg.sender, uint48(block.timestamp), 0);
        if (!vacant.empty()) {
            place_ = uint32(uint256(vacant.front()));
            // No query asked before it was left can be selected any more.
            if (block.timestamp >= all[place_].until + answerSeconds) {
                vacant.popFront();
                all[place_] = mine;
                return place_;
            }
        }
        place_ = uint32(all.length);
        all.push(mine);
    }

    /// @dev Only one earlier price is remembered.
    function _requireSettled(Node storage node, uint256 answerSeconds) internal view {
        uint256 settableAt = node.pricedAt + answerSeconds;
        if (block.timestamp < settableAt) revert PriceSetTooSoon(block.timestamp, settableAt);
    }

    function _setPrice(Node storage node, uint72 price) internal {
        node.priceBefore = node.price;
        node.price = price;
        node.pricedAt = uint48(block.timestamp);
    }

    function _leave(ModelId model, Role role, address node) internal {
        if (!isJoined(model, role, node)) revert NotJoined(model, role, node);
        uint256 place_ = nodes[model][role][node].place - 1;
        places[model][role][place_].until = uint48(block.timestamp);
        vacancies[model][role].pushBack(bytes32(place_));
        emit NodeLeft(model, role, node);
        // Penalties may have left nothing.
        if (stakeOf(model, role, node) != 0) VAULT.leavePool(_pool(model, role), node);
    }

    /// @param found how many were drawn already
    /// @return how many there are afterwards
    function _drawRole(
        Draw calldata given,
        ModelParams memory params_,
        Role role,
        Drawn[] memory drawn,
        uint256 found
    ) internal view returns (uint256) {
        bool isResponder = role == Role.Responder;
        uint256 wanted = isResponder ? given.responders : given.assessors;
        uint256 count = isResponder ? given.responderPlaces : given.assessorPlaces;
        bytes32 tag = isResponder ? Draws.RESPONDER : Draws.ASSESSOR;
        uint256 end = found + wanted;
        for (uint256 j = 0; j < DRAWS_PER_NODE * wanted && found < end; j++) {
            uint256 random = Draws.draw(given.seed, tag, ModelId.unwrap(given.model), given.query, 0, j);
            Drawn memory one = _drawPlace(given, params_, role, count, random);
            if (one.node == address(0) || _isAmong(one.node, drawn, found)) continue;
            drawn[found++] = one;
        }
        return found;
    }

    /// @param random its low half picks a place, its high half says whether the node there is taken
    /// @return drawn without a node where there is none to be drawn
    function _drawPlace(
        Draw calldata given,
        ModelParams memory params_,
        Role role,
        uint256 count,
        uint256 random
    ) internal view returns (Drawn memory drawn) {
        Place memory state = places[given.model][role][uint128(random) % count];
        if (state.from > given.askedAt || (state.until != 0 && state.until <= given.askedAt)) return drawn;
        Node memory node = nodes[given.model][role][state.node];
        uint256 price = node.pricedAt <= given.askedAt ? node.price : node.priceBefore;
        if (price > given.maxPrice) return drawn;
        uint256 trust = standings[given.model][role][state.node].trustAsOf(params_.trustFloor, given.askedAt);
        uint256 stake = VAULT.pooledAt(address(this), _pool(given.model, role), state.node, given.askedAt);
        if (stake < params_.nodeStake) return drawn;
        uint256 chance = (Math.min(stake, params_.stakeCap) << 128) / params_.stakeCap;
        if (random >> 128 >= (chance * trust) / ONE) return drawn;
        return Drawn(state.node, uint24(trust), uint72(price));
    }

    function _isAmong(address node, Drawn[] memory drawn, uint256 found) internal pure returns (bool) {
        for (uint256 i = 0; i < found; i++) if (drawn[i].node == node) return true;
        return false;
    }

    function _check(ModelParams calldata params_) internal view {
        _inRange("answerSeconds", params_.answerSeconds, 1, MAX_ANSWER_SECONDS);
        _inRange("commitSeconds", params_.commitSeconds, 1, MAX_WINDOW_SECONDS);
        _inRange("revealSeconds", params_.revealSeconds, 1, MAX_WINDOW_SECONDS);
        uint256 longestQuerySeconds =
            uint256(params_.answerSeconds) + params_.commitSeconds + params_.revealSeconds;
        _inRange(
            "longestQuerySeconds",
            longestQuerySeconds + SETTLING_SECONDS,
            0,
            VAULT.withdrawalDelaySeconds() - 1
        );
        _inRange("nodeStake", params_.nodeStake, 1, type(uint96).max);
        _inRange(
            "stakeCap",
            params_.stakeCap,
            params_.nodeStake,
            MAX_CAP_MULTIPLE * uint256(params_.nodeStake)
        );
        _inRange("deviationMultiple", params_.deviationMultiple, 1, type(uint8).max);
        // Less than half at each end, or nothing is left.
        _inRange("trimShare", params_.trimShare, 0, ONE / 2 - 1);
        // Something burns, so that trust and the choice of nodes by asking again have a price.
        _inRange("burnShare", params_.burnShare, 1, ONE);
        _inRange("assessorShare", params_.assessorShare, 1, ONE - params_.burnShare);
        _inRange("qualityFactor", params_.qualityFactor, 0, ONE);
        _inRange("costFactor", params_.costFactor, 0, ONE);
        _inRange("toleranceScore", params_.toleranceScore, 1, ONE);
        // Who decides must be more than half of who was drawn.
        _inRange("quorumShare", params_.quorumShare, ONE / 2 + 1, ONE);
        _inRange("trustFloor", params_.trustFloor, MIN_TRUST_FLOOR, ONE);
        _inRange("trustRate", params_.trustRate, 0, ONE);
        _inRange("trustPrice", params_.trustPrice, 1, type(uint64).max);
    }

    function _inRange(string memory name, uint256 given, uint256 least, uint256 most) internal pure {
        if (given < least) revert ParameterOutOfRange(name, given, least);
        if (given > most) revert ParameterOutOfRange(name, given, most);
    }
}
