#!/bin/sh
# From nothing to a first hit on a local Kubernetes: needs docker, kind, kubectl and helm. docs/kubernetes.md explains.
set -eu
cd "$(dirname "$0")/../.."
image=feature-sidecar:0.1.0

kind get clusters | grep -qx feature-sidecar || kind create cluster --config examples/kind/cluster.yaml --wait 2m
make image IMAGE="$image"
kind load docker-image "$image" --name feature-sidecar
kubectl config use-context kind-feature-sidecar

kubectl create namespace ml --dry-run=client -o yaml | kubectl apply -f -
helm upgrade --install feature-sidecar helm/feature-sidecar --namespace feature-sidecar --create-namespace \
    --values examples/kind/values.yaml --wait --timeout 2m
# Ready pods have a certificate; the API server trusts it once its caBundle is there.
until kubectl get mutatingwebhookconfiguration feature-sidecar -o jsonpath='{.webhooks[*].clientConfig.caBundle}' | grep -q .; do
    sleep 1
done

kubectl apply -f examples/kind/ranker.yaml
kubectl --namespace ml rollout status deployment/ranker --timeout 2m
kubectl --namespace ml exec deployment/ranker -c ranker -- valkey-cli HSET user:42 tier gold ctr_7d 0.015
for read in first second; do
    echo "The $read read:"
    kubectl --namespace ml exec deployment/ranker -c ranker -- valkey-cli HMGET user:42 tier ctr_7d
done
echo "Look-ups by outcome:"
kubectl --namespace ml exec deployment/ranker -c feature-sidecar -- python -c '
import urllib.request
for line in urllib.request.urlopen("http://127.0.0.1:8379/metrics").read().decode().splitlines():
    if line.startswith("feature_sidecar_lookups_total{") and "user_profile" in line:
        print(line)'
