// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INodeRegistry, ModelId} from "../../contracts/interfaces/INodeRegistry.sol";
import {QueryStage} from "./QueryStage.sol";

/// @title NodeMoves
/// @notice What those that register models and nodes can call.
abstract contract NodeMoves is QueryStage {
    /* MODELS */

    /// @param kind of its parameters
    function _registerModel(uint256 kind) internal returns (uint256 model) {
        model = kinds.length;
        INodeRegistry.ModelParams memory params = _paramsOf(kind);
        bytes memory data = abi.encodeCall(INodeRegistry.registerModel, (params, bytes32(random), ""));
        _act(Action.RegisterModel, _anybody(), address(REGISTRY), data, true);
        kinds.push(kind);
        _requireEqual("models", REGISTRY.modelCount(), kinds.length);
        bytes memory given = abi.encode(REGISTRY.params(ModelId.wrap(model)));
        _require(keccak256(given) == keccak256(abi.encode(params)), "parameters");
        _check(NO_ESCROW);
    }

    /* NODES */

    function _announce(address account) internal {
        bytes memory data = abi.encodeCall(INodeRegistry.announce, ("https://node.example", bytes32(random)));
        _act(Action.Announce, account, address(REGISTRY), data, random != 0);
        _check(NO_ESCROW);
    }

    function _join(
        uint256 model,
        INodeRegistry.Role role,
        address account,
        uint96 amount,
        uint72 price
    ) internal {
        INodeRegistry.ModelParams memory params = _paramsOf(kinds[model]);
        Record storage record = records[model][role][account];
        bytes memory data = abi.encodeCall(INodeRegistry.join, (ModelId.wrap(model), role, amount, price));
        bool may =
            !_isJoined(record) &&
                amount >= params.nodeStake &&
                amount <= VAULT.accounts(account).free &&
                (role == INodeRegistry.Role.Responder || price == 0) &&
                _isPriceSettled(record, params);
        if (!_act(Action.Join, account, address(REGISTRY), data, may)) return;
        _mark(record.membership, 1);
        _mark(record.prices, price);
        _checkNode(model, role, account);
    }

    function _addStake(uint256 model, INodeRegistry.Role role, address account, uint96 amount) internal {
        bool may = _isJoined(records[model][role][account]) && amount <= VAULT.accounts(account).free;
        bytes memory data = abi.encodeCall(INodeRegistry.addStake, (ModelId.wrap(model), role, amount));
        bool ok = _act(Action.AddStake, account, address(REGISTRY), data, may && amount != 0);
        if (ok) _checkNode(model, role, account);
    }

    function _setPrice(uint256 model, address account, uint72 price) internal {
        INodeRegistry.Role role = INodeRegistry.Role.Responder;
        Record storage record = records[model][role][account];
        bool may = _isJoined(record) && _isPriceSettled(record, _paramsOf(kinds[model]));
        bytes memory data = abi.encodeCall(INodeRegistry.setPrice, (ModelId.wrap(model), price));
        if (!_act(Action.SetPrice, account, address(REGISTRY), data, may)) return;
        _mark(record.prices, price);
        _checkNode(model, role, account);
    }

    /// @dev What it staked starts its withdrawal, and stays where it can be slashed.
    function _quit(uint256 model, INodeRegistry.Role role, address account) internal {
        bytes memory data = abi.encodeCall(INodeRegistry.quit, (ModelId.wrap(model), role));
        bool may = _isJoined(records[model][role][account]);
        if (_act(Action.Quit, account, address(REGISTRY), data, may)) _checkLeft(model, role, account);
    }

    function _evict(uint256 model, INodeRegistry.Role role, address account) internal {
        bytes memory data = abi.encodeCall(INodeRegistry.evict, (ModelId.wrap(model), role, account));
        bool isPoor =
            REGISTRY.stakeOf(ModelId.wrap(model), role, account) < _paramsOf(kinds[model]).nodeStake;
        bool may = isPoor && _isJoined(records[model][role][account]);
        bool ok = _act(Action.Evict, _anybody(), address(REGISTRY), data, may);
        if (ok) _checkLeft(model, role, account);
    }

    function _collect(uint256 model, INodeRegistry.Role role, address account) internal {
        Record storage record = records[model][role][account];
        bytes memory data = abi.encodeCall(INodeRegistry.collect, (ModelId.wrap(model), role, account));
        if (!_act(Action.Collect, _anybody(), address(REGISTRY), data, record.earned != 0)) return;
        _expectEarned(account, record.earned);
        _check(EARNED);
        record.earned = 0;
        _checkNode(model, role, account);
    }

    function _isPriceSettled(
        Record storage record,
        INodeRegistry.ModelParams memory params
    ) private view returns (bool) {
        uint256 count = record.prices.length;
        return count == 0 || record.prices[count - 1].since + params.answerSeconds <= time;
    }

    function _checkLeft(uint256 model, INodeRegistry.Role role, address account) private {
        _mark(records[model][role][account].membership, 0);
        _checkNode(model, role, account);
        _requireEqual("left in the pool", REGISTRY.stakeOf(ModelId.wrap(model), role, account), 0);
    }

    /// @dev It stands as its own calls and settlements have it.
    function _checkNode(uint256 model, INodeRegistry.Role role, address account) private {
        _check(NO_ESCROW);
        ModelId id = ModelId.wrap(model);
        Record storage record = records[model][role][account];
        _require(REGISTRY.isJoined(id, role, account) == _isJoined(record), "joined");
        _requireEqual("price", REGISTRY.nodeOf(id, role, account).price, _asOf(record.prices, time));
        _requireEqual("earned", REGISTRY.earnedOf(id, role, account), record.earned);
        uint256 trust = _trustAsOf(record, time, _paramsOf(kinds[model]));
        _requireEqual("trust", REGISTRY.trustOf(id, role, account), trust);
    }

    /// @dev All of a node's stake is somewhere.
    function _checkStakes() internal view {
        for (uint256 i = 0; i < ACCOUNTS; i++) {
            address account = accounts[i];
            uint256 total = VAULT.accounts(account).free + uint256(VAULT.accounts(account).withdrawing);
            for (uint256 model = 0; model < kinds.length; model++) {
                total += REGISTRY.stakeOf(ModelId.wrap(model), INodeRegistry.Role.Responder, account);
                total += REGISTRY.stakeOf(ModelId.wrap(model), INodeRegistry.Role.Assessor, account);
            }
            _requireEqual("stake", VAULT.stakeOf(account), total);
        }
    }
}
