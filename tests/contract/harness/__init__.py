# SPDX-License-Identifier: MIT
"""What the contract and the hostile suite share. Standard library and pytest only."""
