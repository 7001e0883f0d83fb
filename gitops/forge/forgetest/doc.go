// Package forgetest is a forge on one machine: bare Git repositories, pull requests, and the part of GitHub's REST API
// and webhooks that Catalyst uses. It stands in for GitHub in the demo and in tests.
//
// It has no users and checks no tokens: serve it on a loopback address only.
package forgetest
