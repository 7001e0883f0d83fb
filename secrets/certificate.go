package secrets

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed" // the throw-away certificate
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"
)

const (
	keyBits  = 2048 // half of what the controller takes, a tenth of the time to make
	validity = 10 * 365 * 24 * time.Hour
	remedy   = "fetch the controller's current one with `kubeseal --fetch-cert`"
)

// ErrExpired is wrapped by the error for a certificate that is no longer valid.
var ErrExpired = errors.New("the sealing certificate has expired")

// Certificate is a sealing certificate of a sealed-secrets controller.
type Certificate struct {
	// PublicKey that values are sealed for.
	PublicKey *rsa.PublicKey
	// NotAfter is when the certificate expires.
	NotAfter time.Time
	// Fingerprint is the SHA-256 of the certificate, in hex.
	Fingerprint string
}

// ParseCertificate reads the first certificate of a PEM file. An expired one gives ErrExpired.
func ParseCertificate(data []byte) (*Certificate, error) {
	cert, err := parseCertificate(data)
	if err != nil {
		return nil, err
	}
	return cert, cert.CheckExpiry(time.Now())
}

// CheckExpiry returns ErrExpired, wrapped, when the certificate is no longer valid at now.
func (c *Certificate) CheckExpiry(now time.Time) error {
	if now.After(c.NotAfter) {
		return fmt.Errorf("%w on %s: %s", ErrExpired, c.NotAfter.UTC().Format(time.DateOnly), remedy)
	}
	return nil
}

func parseCertificate(data []byte) (*Certificate, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing the sealing certificate: %w: %s", err, remedy)
		}
		public, ok := cert.PublicKey.(*rsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("the sealing certificate has a %s key, want RSA: %s", cert.PublicKeyAlgorithm, remedy)
		}
		sum := sha256.Sum256(cert.Raw)
		return &Certificate{PublicKey: public, NotAfter: cert.NotAfter, Fingerprint: hex.EncodeToString(sum[:])}, nil
	}
	return nil, errors.New("the sealing certificate is no PEM file with a CERTIFICATE block: " + remedy)
}

//go:embed throwaway.pem
var throwAway []byte

// ThrowAwayCertificate is one whose private key was never written down (openssl req -x509 -keyout /dev/null), as PEM: for renders that
// are only looked at. Making a key pair for each takes longer than rendering.
func ThrowAwayCertificate() []byte { return slices.Clone(throwAway) }

// GenerateKeyPair makes a self-signed sealing certificate and its private key, as PEM, for demonstrations. It is valid from now for
// ten years.
func GenerateKeyPair(now time.Time, rand io.Reader) (certPEM, keyPEM []byte, err error) {
	key, err := rsa.GenerateKey(rand, keyBits)
	if err != nil {
		return nil, nil, fmt.Errorf("generating the sealing key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.Unix()), Subject: pkix.Name{CommonName: "sealed-secret"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		KeyUsage: x509.KeyUsageEncipherOnly, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("generating the sealing certificate: %w", err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return certPEM, keyPEM, nil
}
