// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice An assessor's scores of all answers to a query, in millionths: that of answer j in bits 20j to 20j + 19.
type Scores is uint256;

using ScoresLibrary for Scores global;

/// @title ScoresLibrary
/// @notice Scores in one word, for up to 8 answers.
library ScoresLibrary {
    /// @notice In the place of a score: the answer never came.
    uint256 internal constant UNAVAILABLE = (1 << BITS) - 1;

    uint256 internal constant MOST = 1_000_000;

    uint256 private constant BITS = 20;

    /// @return score 0 to 1,000,000, or `UNAVAILABLE`
    function get(Scores scores, uint256 answer) internal pure returns (uint256 score) {
        unchecked {
            return (Scores.unwrap(scores) >> (BITS * answer)) & UNAVAILABLE;
        }
    }

    /// @notice Whether each of the first `answers` is in range, and nothing stands behind them.
    function isValid(Scores scores, uint256 answers) internal pure returns (bool) {
        if (Scores.unwrap(scores) >> (BITS * answers) != 0) return false;
        unchecked {
            for (uint256 j = 0; j < answers; j++) {
                uint256 score = get(scores, j);
                if (score > MOST && score != UNAVAILABLE) return false;
            }
        }
        return true;
    }
}
