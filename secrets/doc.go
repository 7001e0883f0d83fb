// Package secrets provides the sealing of Kubernetes Secrets, so that only their ciphertext reaches Git.
//
// Sealing is randomised; a keyed MAC beside each ciphertext says whether the plaintext changed, and where it did
// not the committed ciphertext stays.
package secrets
