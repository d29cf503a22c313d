#!/bin/sh
# Step 3 with gcloud instead of Terraform: deploys the same two functions, without metrics and alerts.
# The values are the same as Terraform's; don't edit them here. Run the script from any folder.
set -eu
cd "$(dirname "$0")/../.."
python="${PYTHON:-.venv/bin/python}"
values="$("$python" -m infra.deploy values)"
eval "$values"

secret=""
if [ -n "$SECRET" ]; then
  secret="--set-secrets=DATABRICKS_CLIENT_SECRET=$SECRET:latest"
fi

deploy() { # name, entry point, further options ...
  name="$1"
  entry_point="$2"
  shift 2
  # shellcheck disable=SC2086 # an empty $secret must not become an argument
  gcloud functions deploy "$name" --gen2 --quiet \
    --project="$PROJECT" \
    --region="$REGION" \
    --runtime=python311 \
    --source=. \
    --entry-point="$entry_point" \
    --service-account="$FUNCTION_ACCOUNT" \
    --trigger-service-account="$TRIGGER_ACCOUNT" \
    --build-service-account="$BUILDER_ACCOUNT" \
    --docker-repository="$IMAGES" \
    --ingress-settings=internal-only \
    --no-allow-unauthenticated \
    --memory=1Gi \
    --cpu=1 \
    --timeout=540s \
    --concurrency=1 \
    --set-env-vars="$ENVIRONMENT" \
    $secret "$@"
  # The trigger calls the Cloud Run service behind the function.
  gcloud run services add-iam-policy-binding "$name" --quiet \
    --project="$PROJECT" \
    --region="$REGION" \
    --member="serviceAccount:$TRIGGER_ACCOUNT" \
    --role=roles/run.invoker
}

deploy "$NAME-intake" on_object_finalized \
  --trigger-event-filters=type=google.cloud.storage.object.v1.finalized \
  --trigger-event-filters="bucket=$BUCKET" \
  --trigger-location="$REGION" \
  --retry \
  --max-instances=20

deploy "$NAME-sweep" on_sweep \
  --trigger-topic="$SWEEP_TOPIC" \
  --max-instances=1
