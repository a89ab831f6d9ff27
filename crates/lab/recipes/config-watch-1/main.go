// Config-watch tells a program that its configuration has changed:
//
//	config-watch --url URL FILE...
//
// When one of the files is another than it was, URL gets a POST with `{}`, again and again until the answer is good. Files of a ConfigMap are
// replaced as a whole, through a link, so that a look at their content every few seconds is both simple and right.
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	interval = 5 * time.Second
	patience = 30 * time.Second
)

func main() {
	url := flag.String("url", "", "what is told")
	flag.Parse()
	if *url == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "config-watch: --url and at least one file are needed")
		os.Exit(2)
	}
	// Whoever is told runs in the same pod: no proxy is asked for it.
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	last, err := digest(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "config-watch:", err)
		os.Exit(1)
	}
	for ; ; time.Sleep(interval) {
		now, err := digest(flag.Args())
		if err != nil {
			fmt.Fprintln(os.Stderr, "config-watch: left as it is:", err)
			continue
		}
		if bytes.Equal(now, last) {
			continue
		}
		if err := tell(client, *url); err != nil {
			fmt.Fprintln(os.Stderr, "config-watch: tried again soon:", err)
			continue
		}
		fmt.Println("config-watch: changed and told")
		last = now
	}
}

func digest(files []string) ([]byte, error) {
	sum := sha256.New()
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(sum, "%d ", len(content))
		sum.Write(content)
	}
	return sum.Sum(nil), nil
}

func tell(client *http.Client, url string) error {
	answer, err := client.Post(url, "application/json", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", answer.Status)
	}
	return nil
}
