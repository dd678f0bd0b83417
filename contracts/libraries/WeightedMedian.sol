// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title WeightedMedian
/// @notice The median of a committee's values, each weighing what its stake weighs.
library WeightedMedian {
    error LengthMismatch(uint256 values, uint256 weights);
    error ZeroTotalWeight();

    /// @notice The smallest value x with 2 · Σ(weights of values ≤ x) ≥ Σ(weights). A value of weight 0 has no say.
    /// @dev Compares every value with every other: gas grows with the square of their number, which the caller bounds.
    /// @param values in any order
    /// @param weights of the values, in theirs; their sum is at least 1 and below 2^256
    function median(int256[] memory values, uint256[] memory weights) internal pure returns (int256 result) {
        uint256 n = values.length;
        require(weights.length == n, LengthMismatch(n, weights.length));
        uint256 total = 0;
        for (uint256 i = 0; i < n; ++i) total += weights[i];
        require(total != 0, ZeroTotalWeight());

        result = type(int256).max;
        for (uint256 i = 0; i < n; ++i) {
            int256 candidate = values[i];
            if (candidate >= result) continue;
            uint256 reached = 0;
            for (uint256 j = 0; j < n; ++j) {
                if (values[j] <= candidate) reached += weights[j];
            }
            // 2 · reached ≥ total, without the doubling.
            if (reached >= total - reached) result = candidate;
        }
    }
}
