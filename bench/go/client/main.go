// The peer of the bench in Go: clientv3 doing what it is asked for by lines of
// JSON on stdin, and answering each with lines of JSON.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// All that can be asked for; each request uses some of the fields.
type request struct {
	Do         string  `json:"do"`
	What       string  `json:"what"`
	Callers    int     `json:"callers"`
	Ms         float64 `json:"ms"`
	Bytes      int     `json:"bytes"`
	Prefix     string  `json:"prefix"`
	Watches    int     `json:"watches"`
	Shared     bool    `json:"shared"`
	Events     int     `json:"events"`
	Candidates int     `json:"candidates"`
	TtlSeconds int     `json:"ttlSeconds"`
	Terms      int     `json:"terms"`
	Again      bool    `json:"again"`
}

func main() {
	endpoint := os.Args[1]
	client := connect(endpoint)
	defer client.Close()
	var standing *candidates
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked request
		must(json.Unmarshal(lines.Bytes(), &asked))
		switch asked.Do {
		case "calls":
			answer(runCallers(client, asked))
		case "list":
			answer(list(client, asked.Prefix))
		case "watch":
			watch(client, asked)
		case "campaign":
			standing = campaign(endpoint, asked)
			answer(map[string]bool{"ready": true})
		case "handOver":
			answer(map[string][]float64{"ms": standing.handOver(asked)})
		case "leave":
			standing.leave()
			answer(map[string]bool{"ready": true})
		default:
			log.Fatalf("nobody can do %q", asked.Do)
		}
	}
}

func connect(endpoint string) *clientv3.Client {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint},
		Logger:    zap.NewNop(),
	})
	must(err)
	return client
}

func answer(what any) {
	must(json.NewEncoder(os.Stdout).Encode(what))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
