// The peer of the bench in Go: clientv3 doing puts and gets, as told on the
// command line, and printing what it measured as one line of JSON a round.
//
// A round is asked for by a line on stdin: "put 64 3000 256", the operation,
// the number of callers, the milliseconds and the bytes of a value.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

type outcome struct {
	Count int     `json:"count"`
	Ms    float64 `json:"ms"`
	P50Ms float64 `json:"p50Ms"`
	P99Ms float64 `json:"p99Ms"`
}

func main() {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{os.Args[1]},
		Logger:    zap.NewNop(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var what string
		var callers, ms, bytes int
		if _, err := fmt.Sscan(lines.Text(), &what, &callers, &ms, &bytes); err != nil {
			log.Fatal(err)
		}
		result := run(client, what, callers, time.Duration(ms)*time.Millisecond, strings.Repeat("x", bytes))
		if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
			log.Fatal(err)
		}
	}
}

func run(client *clientv3.Client, what string, callers int, long time.Duration, value string) outcome {
	start := time.Now()
	end := start.Add(long)
	times := make([][]float64, callers)
	var group sync.WaitGroup
	for caller := 0; caller < callers; caller++ {
		group.Add(1)
		go func() {
			defer group.Done()
			key := fmt.Sprintf("/bench/%d", caller)
			for time.Now().Before(end) {
				began := time.Now()
				var err error
				if what == "put" {
					_, err = client.Put(context.Background(), key, value)
				} else {
					_, err = client.Get(context.Background(), key)
				}
				if err != nil {
					log.Fatal(err)
				}
				times[caller] = append(times[caller], float64(time.Since(began).Nanoseconds())/1e6)
			}
		}()
	}
	group.Wait()
	took := time.Since(start)
	var all []float64
	for _, one := range times {
		all = append(all, one...)
	}
	sort.Float64s(all)
	return outcome{
		Count: len(all),
		Ms:    float64(took.Nanoseconds()) / 1e6,
		P50Ms: all[len(all)/2],
		P99Ms: all[len(all)*99/100],
	}
}
