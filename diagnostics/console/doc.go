// Package console is a page that shows what diagnostics know: the nodes of the cluster and their health, what they did in
// the last ten minutes, what went wrong, and the way of each recent message over all nodes.
//
//	service, err := diagnostics.NewService(node, recorder, diagnostics.Sources{})
//	page, err := console.New(service, console.Config{User: "ops", Password: os.Getenv("CONSOLE_PASSWORD")})
//	mux.Handle("/console/", http.StripPrefix("/console", page))
//
// The page is served by one node and asks all others through it. It asks them only while somebody looks: once a second,
// however many look. It goes on with what its own node knows when the others cannot be reached.
//
// # Security
//
// The page and all that it loads want HTTP basic authentication, unless [Config].Open says that somebody else has checked
// who comes. Basic authentication is worth something over TLS alone. The page can change nothing in the cluster; it shows
// names of nodes and namespaces, errors, and attributes of spans, but no payloads. Whatever comes from the cluster is put
// onto the page as text, the page may run no script but its own (Content-Security-Policy), and no other site's page may
// ask its API or frame it.
package console
