// Reads what Assay prints and answers with Kubernetes' own code, and says what that makes of it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	registration "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/config"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/request"
	"k8s.io/apiserver/pkg/util/webhook"
	"sigs.k8s.io/yaml"
)

func must(err error) {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

// manifests FILE: every document is, strictly, one of the two webhook configurations.
func manifests(path string) {
	content, err := os.ReadFile(path)
	must(err)
	for _, document := range strings.Split(string(content), "\n---\n") {
		var mutating registration.MutatingWebhookConfiguration
		var validating registration.ValidatingWebhookConfiguration
		if strings.Contains(document, "MutatingWebhookConfiguration") {
			must(yaml.UnmarshalStrict([]byte(document), &mutating))
			fmt.Println("mutating", *mutating.Webhooks[0].ClientConfig.URL, *mutating.Webhooks[0].ReinvocationPolicy)
		} else {
			must(yaml.UnmarshalStrict([]byte(document), &validating))
			fmt.Println("validating", *validating.Webhooks[0].ClientConfig.URL, len(validating.Webhooks[0].Rules))
		}
	}
}

// credential KUBECONFIG HOST:PORT: what the API server would present there.
func credential(path, host string) {
	resolver, err := webhook.NewDefaultAuthenticationInfoResolver(path)
	must(err)
	found, err := resolver.ClientConfigFor(host)
	must(err)
	fmt.Println("token", found.BearerToken, "certificate", len(found.CertData), "key", len(found.KeyData))
}

// plugin FILE: the kubeconfig that a webhook plug-in's part of the admission configuration names.
func plugin(path string) {
	content, err := os.ReadFile(path)
	must(err)
	var whole struct {
		Plugins []struct {
			Name          string          `json:"name"`
			Configuration json.RawMessage `json:"configuration"`
		} `json:"plugins"`
	}
	must(yaml.Unmarshal(content, &whole))
	for _, each := range whole.Plugins {
		file, err := config.LoadConfig(strings.NewReader(string(each.Configuration)))
		must(err)
		fmt.Println(each.Name, file.KubeConfigFile)
	}
}

// answer UID PHASE FILE: what the API server makes of an answer.
func answer(uid, phase, path string) {
	content, err := os.ReadFile(path)
	must(err)
	var review admissionv1.AdmissionReview
	must(json.Unmarshal(content, &review))
	review.SetGroupVersionKind(review.GroupVersionKind())
	result, err := request.VerifyAdmissionResponse(types.UID(uid), phase == "mutate", &review)
	must(err)
	fmt.Println("allowed", result.Allowed, "patch", len(result.Patch), "warnings", len(result.Warnings))
	if result.Result != nil {
		fmt.Println("status", result.Result.Code, result.Result.Reason, result.Result.Message)
	}
}

func main() {
	switch os.Args[1] {
	case "manifests":
		manifests(os.Args[2])
	case "credential":
		credential(os.Args[2], os.Args[3])
	case "plugin":
		plugin(os.Args[2])
	case "answer":
		answer(os.Args[2], os.Args[3], os.Args[4])
	}
}
