// A producer and a subscriber written without Sealstream, from the standards and docs alone. Standard library only.
//
//	interop sign   < request.json    makes a key, signs the events, prints the public JWK and the records
//	interop verify < request.json    prints for each record what it says, or why it is refused
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

type header struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

type record struct {
	Headers []header `json:"headers"`
	Value   []byte   `json:"value"`
}

// event holds the attributes of a CloudEvent by name, extensions too, and its data.
type event struct {
	Attributes map[string]string `json:"attributes"`
	Data       []byte            `json:"data"`
}

type request struct {
	Algorithm string   `json:"algorithm"`
	KeyID     string   `json:"kid"`
	Batch     bool     `json:"batch"`
	Signed    []string `json:"signed"`
	Events    []event  `json:"events"`
	Key       jwk      `json:"jwk"`
	Records   []record `json:"records"`
}

type answer struct {
	Key     *jwk     `json:"jwk,omitempty"`
	Records []record `json:"records,omitempty"`
	Results []result `json:"results,omitempty"`
}

type result struct {
	Event *event `json:"event,omitempty"`
	Error string `json:"error,omitempty"`
}

// payload is M, what a Verifiability signature covers.
type payload struct {
	Core   []byte   `json:"core"`
	Ext    []byte   `json:"ext,omitempty"`
	Signed []string `json:"signedextattrs,omitempty"`
}

var core = []string{"id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time"}

var timestamps = map[string]bool{"time": true, "expirytime": true, "recordedtime": true}

func main() {
	var asked request
	must(json.NewDecoder(os.Stdin).Decode(&asked))
	var said answer
	switch os.Args[1] {
	case "sign":
		key, sign := newKey(asked.Algorithm, asked.KeyID)
		said.Key = &key
		if asked.Batch {
			said.Records = signBatch(asked.Events, asked.Signed, key.KeyID, sign)
		} else {
			for _, each := range asked.Events {
				said.Records = append(said.Records, signOne(each, asked.Signed, key.KeyID, sign))
			}
		}
	case "verify":
		for _, each := range asked.Records {
			found, err := verify(each, asked.Key)
			if err != nil {
				said.Results = append(said.Results, result{Error: err.Error()})
				continue
			}
			said.Results = append(said.Results, result{Event: found})
		}
	}
	must(json.NewEncoder(os.Stdout).Encode(said))
}

// canonical gives the bytes that stand for an attribute in a digest.
func canonical(name, value string) ([]byte, error) {
	if value == "" || !timestamps[name] {
		return []byte(value), nil
	}
	moment, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return nil, fmt.Errorf("attribute %s is no timestamp", name)
	}
	return []byte(moment.UTC().Truncate(time.Second).Format("2006-01-02T15:04:05Z")), nil
}

func digest(of event, names []string, withData bool) ([]byte, error) {
	sum := sha256.New()
	for _, name := range names {
		value, err := canonical(name, of.Attributes[name])
		if err != nil {
			return nil, err
		}
		part := sha256.Sum256(value)
		sum.Write(part[:])
	}
	if withData {
		part := sha256.Sum256(of.Data)
		sum.Write(part[:])
	}
	return sum.Sum(nil), nil
}

func payloadOf(of event, signed []string) []byte {
	var m payload
	var err error
	m.Core, err = digest(of, core, true)
	must(err)
	if len(signed) > 0 {
		m.Ext, err = digest(of, signed, false)
		must(err)
		m.Signed = signed
	}
	text, err := json.Marshal(m)
	must(err)
	return text
}

// inBinaryMode makes the Kafka record of an event whose material is an attribute like any other.
func inBinaryMode(of event, material, text string) record {
	made := record{Value: of.Data}
	for name, value := range of.Attributes {
		key := "ce_" + name
		if name == "datacontenttype" {
			key = "content-type"
		}
		made.Headers = append(made.Headers, header{key, []byte(value)})
	}
	made.Headers = append(made.Headers, header{"ce_" + material, []byte(text)})
	return made
}

func fromBinaryMode(of record) (event, error) {
	found := event{map[string]string{}, of.Value}
	for _, each := range of.Headers {
		name := strings.ToLower(each.Name)
		if name == "content-type" {
			name = "datacontenttype"
		} else if name = strings.TrimPrefix(name, "ce_"); name == strings.ToLower(each.Name) {
			continue
		}
		if _, repeated := found.Attributes[name]; repeated {
			return found, fmt.Errorf("attribute %s is given twice", name)
		}
		found.Attributes[name] = string(each.Value)
	}
	for _, name := range core[:4] {
		if found.Attributes[name] == "" {
			return found, fmt.Errorf("attribute %s is missing", name)
		}
	}
	return found, nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
