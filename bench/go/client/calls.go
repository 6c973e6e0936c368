package main

import (
	"context"
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// What so many operations came to.
type outcome struct {
	Count int     `json:"count"`
	Ms    float64 `json:"ms"`
	P50Ms float64 `json:"p50Ms"`
	P99Ms float64 `json:"p99Ms"`
}

// Callers that each do one operation after the other on a key of their own.
func runCallers(client *clientv3.Client, asked request) outcome {
	value := strings.Repeat("x", asked.Bytes)
	start := time.Now()
	end := start.Add(time.Duration(asked.Ms * float64(time.Millisecond)))
	times := make([][]float64, asked.Callers)
	var group sync.WaitGroup
	for caller := range asked.Callers {
		group.Go(func() {
			key := fmt.Sprintf("/bench/%d", caller)
			for time.Now().Before(end) {
				began := time.Now()
				var err error
				if asked.What == "put" {
					_, err = client.Put(context.Background(), key, value)
				} else {
					_, err = client.Get(context.Background(), key)
				}
				must(err)
				times[caller] = append(times[caller], milliseconds(time.Since(began)))
			}
		})
	}
	group.Wait()
	took := time.Since(start)
	var all []float64
	for _, one := range times {
		all = append(all, one...)
	}
	return outcomeOf(all, took)
}

func outcomeOf(times []float64, took time.Duration) outcome {
	sort.Float64s(times)
	return outcome{
		Count: len(times),
		Ms:    milliseconds(took),
		P50Ms: percentile(times, 0.5),
		P99Ms: percentile(times, 0.99),
	}
}

// The nearest rank in sorted numbers, as the rest of the bench has it.
func percentile(sorted []float64, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(float64(len(sorted))*part))-1)]
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration.Nanoseconds()) / 1e6
}

// Lists all keys with a prefix, with their values.
func list(client *clientv3.Client, prefix string) map[string]float64 {
	start := time.Now()
	response, err := client.Get(context.Background(), prefix, clientv3.WithPrefix())
	must(err)
	return map[string]float64{
		"count": float64(len(response.Kvs)),
		"ms":    milliseconds(time.Since(start)),
	}
}
