// Toolbox is the workload of barque's end-to-end tests.
//
//	toolbox [serve [ADDRESS]]   HTTP server (default :8080): answers the host name; /ip the client's address; /forwarded who a proxy says
//	                            the client is, and by which protocol it came; /healthz ok
//	toolbox get URL...          prints each body; exit 1 if one request fails or is not 200
//	toolbox resolve NAME...     prints the addresses of each name; exit 1 if one does not resolve
//	toolbox lines RATE COUNT    prints COUNT numbered lines, RATE a second, each fiftieth with a second line; then sleeps
//	toolbox append FILE LINE    adds a line to a file and prints all of it; then sleeps
//	toolbox sleep               does nothing until it is told to stop
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A request must not outlive the patience of a test.
const timeout = 5 * time.Second

func main() {
	arguments := os.Args[1:]
	if len(arguments) == 0 {
		arguments = []string{"serve"}
	}
	verb, rest := arguments[0], arguments[1:]
	var err error
	switch {
	case verb == "serve" && len(rest) <= 1:
		err = serve(append(rest, ":8080")[0])
	case verb == "get" && len(rest) > 0:
		err = each(rest, get)
	case verb == "resolve" && len(rest) > 0:
		err = each(rest, resolve)
	case verb == "lines" && len(rest) == 2:
		err = lines(rest[0], rest[1])
	case verb == "append" && len(rest) == 2:
		err = appendLine(rest[0], rest[1])
	case verb == "sleep" && len(rest) == 0:
		<-stopped().Done()
	default:
		fmt.Fprintln(os.Stderr, "usage: toolbox [serve [ADDRESS] | get URL... | resolve NAME... | lines RATE COUNT | append FILE LINE | sleep]")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "toolbox:", err)
		os.Exit(1)
	}
}

// stopped ends with SIGTERM or SIGINT; as process 1 of a pod nothing else would end us.
func stopped() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	return ctx
}

func serve(address string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/ip", func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintln(w, host)
	})
	mux.HandleFunc("/forwarded", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"))
	})
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: timeout}
	ctx := stopped()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		return server.Shutdown(ctx)
	}
}

// each goes on after a failure, so that one run shows all; it answers the last failure.
func each(subjects []string, action func(string) error) error {
	var last error
	for _, subject := range subjects {
		if err := action(subject); err != nil {
			fmt.Fprintln(os.Stderr, subject+":", err)
			last = err
		}
	}
	return last
}

func lines(rateText, countText string) error {
	rate, err := strconv.Atoi(rateText)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(countText)
	if err != nil {
		return err
	}
	ctx := stopped()
	ticker := time.NewTicker(time.Second / time.Duration(max(rate, 1)))
	defer ticker.Stop()
	for number := 1; number <= count && ctx.Err() == nil; number++ {
		fmt.Println(number, "is the number of this line")
		if number%50 == 0 {
			fmt.Println("    and this is its second half")
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	<-ctx.Done()
	return nil
}

func get(url string) error {
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	client := &http.Client{Timeout: timeout}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

func resolve(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	slices.Sort(addresses)
	fmt.Println(strings.Join(addresses, "\n"))
	return nil
}

func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(file, line); err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.Write(whole); err != nil {
		return err
	}
	<-stopped().Done()
	return nil
}
