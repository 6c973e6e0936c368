package main

import (
	"context"
	"fmt"
	"log"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// How long the events may take to come, from the moment all watches stand.
const watchPatience = time.Minute

// Opens watches, says so, and says what came once so many events did.
//
// A value begins with the time at which it was written, in milliseconds since
// 1970, and a blank.
func watch(client *clientv3.Client, asked request) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lags := make(chan []float64, 1024)
	for number := range asked.Watches {
		prefix := asked.Prefix
		if !asked.Shared {
			prefix = fmt.Sprintf("%s%d/", asked.Prefix, number)
		}
		events := client.Watch(ctx, prefix,
			clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
		if response, open := <-events; !open || response.Err() != nil {
			log.Fatalf("watch %d was not opened: %v", number, response.Err())
		}
		go follow(events, lags)
	}
	answer(map[string]bool{"ready": true})
	deadline := time.After(watchPatience)
	all := make([]float64, 0, asked.Events)
	var first, last time.Time
	for len(all) < asked.Events {
		select {
		case some := <-lags:
			last = time.Now()
			if len(all) == 0 {
				first = last
			}
			all = append(all, some...)
		case <-deadline:
			log.Fatalf("only %d of %d events came", len(all), asked.Events)
		}
	}
	answer(outcomeOf(all, last.Sub(first)))
}

func follow(events clientv3.WatchChan, lags chan<- []float64) {
	for response := range events {
		now := float64(time.Now().UnixNano()) / 1e6
		some := make([]float64, 0, len(response.Events))
		for _, event := range response.Events {
			written, _, _ := strings.Cut(string(event.Kv.Value), " ")
			at, err := strconv.ParseFloat(written, 64)
			must(err)
			some = append(some, now-at)
		}
		lags <- some
	}
}
