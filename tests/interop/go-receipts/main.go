// A verifier of receipts on the public libraries of transparency logs: log signature, inclusion, field commitments.
//
//	receipts VKEY FILE...    prints "ok" or "refused: why" for each file; exits with 1 if one is refused
//
// What a receipt says of its producer's message is read for its form alone.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

const (
	maxReceipt = 32 << 20
	maxLeaf    = 65535
	maxNote    = 64 << 10
)

type object = map[string]any

func main() {
	key, err := note.NewVerifier(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	code := 0
	for _, path := range os.Args[2:] {
		data, err := os.ReadFile(path)
		if err == nil {
			err = verify(data, key)
		}
		if err != nil {
			fmt.Printf("refused: %q\n", err.Error()) // on one line: a library writes several
			code = 1
		} else {
			fmt.Println("ok")
		}
	}
	os.Exit(code)
}

func verify(data []byte, key note.Verifier) error {
	if len(data) > maxReceipt {
		return errors.New("the receipt is too large")
	}
	r := reader{}
	receipt := r.object(r.json(data), "version origin index leaf path checkpoint fields", "message accepted")
	message, there := receipt["message"]
	if there {
		r.object(message, "headers key value digest_salt signers", "seal_salt item")
	}
	if accepted, later := receipt["accepted"]; later {
		first := r.object(accepted, "index leaf path", "shards")
		r.number(first["index"])
		r.text(first["leaf"])
		r.list(first["path"])
		if shards, former := first["shards"]; former {
			if n := len(r.list(shards)); n < 1 || n > 64 {
				r.fail("no shard, or more than there may be")
			}
			for _, each := range r.list(shards) {
				opening := r.object(each, "leaf path", "")
				r.text(opening["leaf"])
				r.list(opening["path"])
			}
		}
		if !there {
			r.fail("a leaf that accepted a message, and no message")
		}
	}
	version, index := r.number(receipt["version"]), r.number(receipt["index"])
	leaf, text, origin := r.text(receipt["leaf"]), r.text(receipt["checkpoint"]), r.text(receipt["origin"])
	var path [][]byte
	for _, node := range r.list(receipt["path"]) {
		path = append(path, r.base64(node, sha256.Size))
	}
	fields, ok := receipt["fields"].(object)
	if r.err != nil {
		return r.err
	}
	if !ok || version != 1 || len(leaf) > maxLeaf || len(text) > maxNote || len(path) > 64 {
		return errors.New("not a receipt of version 1 within its limits")
	}
	size, root, err := checkpoint(text, origin, key)
	if err != nil {
		return err
	}
	hash := rfc6962.DefaultHasher.HashLeaf([]byte(leaf))
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, hash, path, root); err != nil {
		return err
	}
	return openFields(leaf, fields)
}

// checkpoint returns the size and the root that the log signed.
func checkpoint(text, origin string, key note.Verifier) (uint64, []byte, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(key))
	if err != nil {
		return 0, nil, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != origin || origin != key.Name() {
		return 0, nil, errors.New("the checkpoint is of another log")
	}
	r := reader{}
	size, root := r.number(json.Number(lines[1])), r.base64(lines[2], sha256.Size)
	return size, root, r.err
}

func openFields(text string, fields object) error {
	r := reader{}
	leaf, ok := r.json([]byte(text)).(object)
	if !ok || r.number(leaf["v"]) != 1 {
		return errors.New("not a leaf of version 1")
	}
	if _, other := leaf["commitments"]; other && len(fields) > 0 {
		return errors.New("the leaf's commitments are not HMAC-SHA-256, and this program checks no others")
	}
	said, _ := leaf["fields"].(object)
	for name, each := range fields {
		field := r.object(each, "value salt tier", "")
		value, salt, tier := r.text(field["value"]), r.base64(field["salt"], 16), r.number(field["tier"])
		found, there := said[name]
		if name == "label" {
			found, there = leaf["label"]
		}
		if r.err == nil && (!there || name == "evidence" || tier < 1 || tier > 5) {
			return fmt.Errorf("the leaf has no field %q of such a tier", name)
		}
		commitment := r.base64(found, sha256.Size)
		mac := hmac.New(sha256.New, salt)
		mac.Write([]byte(value))
		if r.err == nil && !hmac.Equal(mac.Sum(nil), commitment) {
			return fmt.Errorf("field %q is not what the leaf commits to", name)
		}
	}
	return r.err
}

// reader takes apart JSON and remembers the first thing that is wrong: a member twice, missing or unknown, a number that
// is no unsigned integer, base64 in another spelling than its canonical one.
type reader struct{ err error }

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = errors.New(what)
	}
}

func (r *reader) json(data []byte) any {
	if !utf8.Valid(data) {
		r.fail("not UTF-8")
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	found := r.value(decoder)
	if _, err := decoder.Token(); err != io.EOF {
		r.fail("something stands after the object")
	}
	return found
}

func (r *reader) value(decoder *json.Decoder) any {
	token, err := decoder.Token()
	if err != nil {
		r.fail("not JSON")
		return nil
	}
	switch token {
	case json.Delim('{'):
		found := object{}
		for r.err == nil && decoder.More() {
			name, _ := decoder.Token()
			text := r.text(name)
			if _, twice := found[text]; twice {
				r.fail("a member is there twice")
			}
			found[text] = r.value(decoder)
		}
		r.end(decoder, '}')
		return found
	case json.Delim('['):
		found := []any{}
		for r.err == nil && decoder.More() {
			found = append(found, r.value(decoder))
		}
		r.end(decoder, ']')
		return found
	}
	if number, is := token.(json.Number); is {
		r.number(number)
	}
	return token
}

func (r *reader) end(decoder *json.Decoder, delim json.Delim) {
	if token, err := decoder.Token(); r.err == nil && (err != nil || token != delim) {
		r.fail("not JSON")
	}
}

func (r *reader) object(value any, required, optional string) object {
	found, is := value.(object)
	if !is {
		r.fail("something is no object")
	}
	known := map[string]bool{}
	for _, name := range strings.Fields(required) {
		if _, there := found[name]; !there {
			r.fail("a member is missing: " + name)
		}
		known[name] = true
	}
	for _, name := range strings.Fields(optional) {
		known[name] = true
	}
	for name := range found {
		if !known[name] {
			r.fail("a member is none of a receipt")
		}
	}
	return found
}

func (r *reader) list(value any) []any {
	found, is := value.([]any)
	if !is {
		r.fail("something is no list")
	}
	return found
}

func (r *reader) text(value any) string {
	found, is := value.(string)
	if !is {
		r.fail("something is no text")
	}
	return found
}

func (r *reader) number(value any) uint64 {
	text, is := value.(json.Number)
	found, err := strconv.ParseUint(string(text), 10, 64)
	if !is || err != nil || strconv.FormatUint(found, 10) != string(text) {
		r.fail("something is no unsigned integer below 2^64")
	}
	return found
}

func (r *reader) base64(value any, length int) []byte {
	text := r.text(value)
	found, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(found) != length || base64.StdEncoding.EncodeToString(found) != text {
		r.fail(fmt.Sprintf("something is not %d bytes in canonical base64", length))
	}
	return found
}
