// Package gitops provides the loop that turns what a forge says into commits of the environments repository:
// plan, render, seal, commit, push.
//
// A job names what to look at, never what to do. Loop asks the forge what is true now, works out the Environment that
// should exist, and brings the environments repository there, so that late, repeated and reordered jobs all end in the
// same state.
package gitops
