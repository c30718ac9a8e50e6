package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
)

// jwk is a public key as RFC 7517, 7518 and 8037 write it.
type jwk struct {
	Kty   string `json:"kty"`
	Crv   string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y,omitempty"`
	Alg   string `json:"alg"`
	KeyID string `json:"kid"`
}

func newKey(algorithm, id string) (jwk, func([]byte) []byte) {
	if algorithm == "Ed25519" {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		must(err)
		key := jwk{Kty: "OKP", Crv: "Ed25519", X: urlText(public), Alg: algorithm, KeyID: id}
		return key, func(message []byte) []byte { return ed25519.Sign(private, message) }
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	x, y := private.X.FillBytes(make([]byte, 32)), private.Y.FillBytes(make([]byte, 32))
	key := jwk{Kty: "EC", Crv: "P-256", X: urlText(x), Y: urlText(y), Alg: "ES256", KeyID: id}
	return key, func(message []byte) []byte {
		hash := sha256.Sum256(message)
		r, s, err := ecdsa.Sign(rand.Reader, private, hash[:])
		must(err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

func (key jwk) holds(message, signature []byte) bool {
	x, y := urlBytes(key.X), urlBytes(key.Y)
	if len(signature) != 64 {
		return false
	}
	if key.Alg == "Ed25519" {
		return ed25519.Verify(x, message, signature)
	}
	public := ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
	hash := sha256.Sum256(message)
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(&public, hash[:], r, s)
}

func urlText(value []byte) string { return base64.RawURLEncoding.EncodeToString(value) }

func urlBytes(text string) []byte {
	value, err := base64.RawURLEncoding.DecodeString(text)
	must(err)
	return value
}
