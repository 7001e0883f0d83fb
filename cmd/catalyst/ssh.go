package main

import (
	"fmt"
	"os"

	"catalyst.dev/catalyst/gitops/gitssh"
)

// sourceSSH is the transport of ssh URLs of application repositories; nil without a key.
func (f serveFlags) sourceSSH() (*gitssh.Client, error) {
	return sshClient("--ssh-key", f.sshKey, f.sshPrivateKey, f.sshKnownHosts)
}

// repositorySSH is the transport of an ssh URL of the environments repository: with a key of its own, if there is one. A
// deploy key opens one repository alone.
func (f serveFlags) repositorySSH() (*gitssh.Client, error) {
	if f.gitSSHKey == "" && f.gitSSHPrivateKey == "" {
		return f.sourceSSH()
	}
	return sshClient("--git-ssh-key", f.gitSSHKey, f.gitSSHPrivateKey, f.sshKnownHosts)
}

func sshClient(flag, file, key, knownHosts string) (*gitssh.Client, error) {
	private := []byte(key)
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		private = data
	}
	if len(private) == 0 {
		return nil, nil
	}
	client, err := gitssh.New(gitssh.Options{PrivateKey: private, KnownHosts: knownHosts})
	if err != nil {
		return nil, fmt.Errorf("%s and --ssh-known-hosts: %w", flag, err)
	}
	return client, nil
}
