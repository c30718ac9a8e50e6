// Command note opens a cosigned checkpoint with the public libraries that readers of transparency logs use.
//
// Arguments: the log's vkey, the witness's vkey; the note comes on standard input. It prints the witness's time.
package main

import (
	"fmt"
	"io"
	"os"

	f_log "github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
)

func main() {
	raw, err := io.ReadAll(os.Stdin)
	check(err)
	logKey, err := f_note.NewVerifier(os.Args[1])
	check(err)
	witness, err := f_note.NewVerifierForCosignatureV1(os.Args[2])
	check(err)
	checkpoint, _, n, err := f_log.ParseCheckpoint(raw, logKey.Name(), logKey, witness)
	check(err)
	if len(n.Sigs) != 2 {
		check(fmt.Errorf("%d good signatures", len(n.Sigs)))
	}
	for _, sig := range n.Sigs {
		if sig.Name == witness.Name() {
			seen, err := f_note.CoSigV1Timestamp(sig)
			check(err)
			fmt.Println(checkpoint.Size, seen.Unix())
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
