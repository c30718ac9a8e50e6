// Appends entries to a log of Tessera's POSIX driver and prints how many a second were integrated under a checkpoint.
//
//	tessera DIRECTORY ENTRIES BYTES
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// As many callers as the driver takes without pushing back.
const callers = 2048

func main() {
	entries, err := strconv.Atoi(os.Args[2])
	check(err)
	size, err := strconv.Atoi(os.Args[3])
	check(err)
	ctx := context.Background()
	secret, _, err := note.GenerateKey(rand.Reader, "bench")
	check(err)
	signer, err := note.NewSigner(secret)
	check(err)
	driver, err := posix.New(ctx, posix.Config{Path: os.Args[1]})
	check(err)
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(time.Second).
		WithBatching(500, 50*time.Millisecond)
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, options)
	check(err)
	work := make(chan []byte, callers)
	var group sync.WaitGroup
	for range callers {
		group.Add(1)
		go func() {
			defer group.Done()
			for entry := range work {
				_, err := appender.Add(ctx, tessera.NewEntry(entry))()
				check(err)
			}
		}()
	}
	began := time.Now()
	for range entries {
		entry := make([]byte, size)
		_, err := rand.Read(entry)
		check(err)
		work <- entry
	}
	close(work)
	group.Wait()
	check(shutdown(ctx)) // which waits for a checkpoint over everything
	fmt.Printf("%f\n", float64(entries)/time.Since(began).Seconds())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
