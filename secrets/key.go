package secrets

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// keySize of the encryption key and of every key derived from it, in bytes.
const keySize = 32

// ParseEncryptionKey reads the master key: 64 hex digits. Errors never hold the text.
func ParseEncryptionKey(text string) ([]byte, error) {
	if len(text) != 2*keySize {
		return nil, fmt.Errorf("the encryption key has %d characters, want %d hex digits: make one with `openssl rand -hex 32`", len(text), 2*keySize)
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		return nil, errors.New("the encryption key holds something else than hex digits: make one with `openssl rand -hex 32`")
	}
	return key, nil
}

// DeriveMACKey derives the key of Sealer.MACKey from the encryption key.
func DeriveMACKey(encryptionKey []byte) ([]byte, error) {
	if len(encryptionKey) != keySize {
		return nil, fmt.Errorf("deriving the MAC key: the encryption key has %d bytes, want %d", len(encryptionKey), keySize)
	}
	key, err := hkdf.Key(sha256.New, encryptionKey, nil, "catalyst seal mac v1", keySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the MAC key: %w", err)
	}
	return key, nil
}
