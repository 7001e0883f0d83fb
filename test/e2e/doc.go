// Package e2e holds the tests that run this program against the real things of test/stack. `make e2e` runs them.
package e2e
