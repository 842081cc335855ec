# SPDX-License-Identifier: MIT
"""Code that the pytest suites share. It needs only the standard library and pytest."""
