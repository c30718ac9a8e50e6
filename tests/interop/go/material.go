package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	eventType = "https://cloudevents.io/verifiability/dsse/v0.1"
	batchType = "application/vnd.sealstream.batch.v1+json"
)

type envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// statement is what one signature says about many events.
type statement struct {
	Root   []byte `json:"root"`
	Size   int    `json:"size"`
	Source string `json:"source"`
}

type batchMaterial struct {
	Payload   []byte          `json:"payload"`
	Nonce     []byte          `json:"nonce"`
	Statement json.RawMessage `json:"statement"`
	Index     int             `json:"index"`
	Path      [][]byte        `json:"path"`
}

func pae(kind string, body []byte) []byte {
	return append([]byte(fmt.Sprintf("DSSEv1 %d %s %d ", len(kind), kind, len(body))), body...)
}

func sealed(kind string, body []byte, id string, sign func([]byte) []byte) []byte {
	text, err := json.Marshal(envelope{kind, body, []signature{{id, sign(pae(kind, body))}}})
	must(err)
	return text
}

func opened(text []byte, kind string, key jwk) ([]byte, error) {
	var found envelope
	if err := json.Unmarshal(text, &found); err != nil || found.PayloadType != kind {
		return nil, errors.New("no envelope of that payloadType")
	}
	for _, each := range found.Signatures {
		if key.holds(pae(kind, found.Payload), each.Sig) {
			return found.Payload, nil
		}
	}
	return nil, errors.New("no signature holds")
}

func signOne(of event, signed []string, id string, sign func([]byte) []byte) record {
	text := sealed(eventType, payloadOf(of, signed), id, sign)
	return inBinaryMode(of, "dssematerial", base64.StdEncoding.EncodeToString(text))
}

func signBatch(events []event, signed []string, id string, sign func([]byte) []byte) []record {
	payloads, nonces, leaves := [][]byte{}, [][]byte{}, [][]byte{}
	for _, each := range events {
		nonce := make([]byte, 16)
		_, err := rand.Read(nonce)
		must(err)
		m := payloadOf(each, signed)
		payloads, nonces = append(payloads, m), append(nonces, nonce)
		leaves = append(leaves, hash([]byte{0}, nonce, m))
	}
	content, err := json.Marshal(statement{root(leaves), len(leaves), events[0].Attributes["source"]})
	must(err)
	text := sealed(batchType, content, id, sign)
	var made []record
	for n, each := range events {
		material, err := json.Marshal(batchMaterial{payloads[n], nonces[n], text, n, path(leaves, n)})
		must(err)
		made = append(made, inBinaryMode(each, "batchmaterial", base64.StdEncoding.EncodeToString(material)))
	}
	return made
}

// verify returns the strict view: core attributes, data and the signed extensions.
func verify(of record, key jwk) (*event, error) {
	found, err := fromBinaryMode(of)
	if err != nil {
		return nil, err
	}
	text, err := attested(found, key)
	if err != nil {
		return nil, err
	}
	var m payload
	if err := json.Unmarshal(text, &m); err != nil || (m.Ext == nil) != (m.Signed == nil) {
		return nil, errors.New("what was signed is no payload of Verifiability")
	}
	if sum, err := digest(found, core, true); err != nil || !bytes.Equal(sum, m.Core) {
		return nil, errors.New("core attributes or data are not those that were signed")
	}
	if sum, err := digest(found, m.Signed, false); m.Ext != nil && (err != nil || !bytes.Equal(sum, m.Ext)) {
		return nil, errors.New("extensions are not those that were signed")
	}
	view := event{map[string]string{}, found.Data}
	for _, name := range append(append([]string{}, core...), m.Signed...) {
		if value, there := found.Attributes[name]; there {
			view.Attributes[name] = value
		}
	}
	return &view, nil
}

func attested(of event, key jwk) ([]byte, error) {
	single, batched := of.Attributes["dssematerial"], of.Attributes["batchmaterial"]
	if (single == "") == (batched == "") {
		return nil, errors.New("not signed, or signed in two ways")
	}
	if single != "" {
		text, err := base64.StdEncoding.DecodeString(single)
		if err != nil {
			return nil, err
		}
		return opened(text, eventType, key)
	}
	text, err := base64.StdEncoding.DecodeString(batched)
	if err != nil {
		return nil, err
	}
	var material batchMaterial
	if err := json.Unmarshal(text, &material); err != nil || len(material.Nonce) != 16 {
		return nil, errors.New("no batch material")
	}
	content, err := opened(material.Statement, batchType, key)
	if err != nil {
		return nil, err
	}
	var said statement
	if err := json.Unmarshal(content, &said); err != nil || said.Source != of.Attributes["source"] {
		return nil, errors.New("the statement is about another source")
	}
	leaf := hash([]byte{0}, material.Nonce, material.Payload)
	if computed, err := rootOf(leaf, material.Index, said.Size, material.Path); err != nil || !bytes.Equal(computed, said.Root) {
		return nil, errors.New("the payload does not stand in the batch")
	}
	return material.Payload, nil
}

// The tree of RFC 6962.

func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func split(size int) int {
	k := 1
	for k*2 < size {
		k *= 2
	}
	return k
}

func root(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	return hash([]byte{1}, root(leaves[:k]), root(leaves[k:]))
}

func path(leaves [][]byte, index int) [][]byte {
	if len(leaves) == 1 {
		return [][]byte{}
	}
	k := split(len(leaves))
	if index < k {
		return append(path(leaves[:k], index), root(leaves[k:]))
	}
	return append(path(leaves[k:], index-k), root(leaves[:k]))
}

func rootOf(leaf []byte, index, size int, path [][]byte) ([]byte, error) {
	if index < 0 || index >= size || (size == 1) != (len(path) == 0) {
		return nil, errors.New("the path does not fit the index and the size")
	}
	if size == 1 {
		return leaf, nil
	}
	k, last := split(size), len(path)-1
	if index < k {
		below, err := rootOf(leaf, index, k, path[:last])
		return hash([]byte{1}, below, path[last]), err
	}
	below, err := rootOf(leaf, index-k, size-k, path[:last])
	return hash([]byte{1}, path[last], below), err
}
