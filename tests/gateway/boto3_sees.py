"""Prints an ingest configuration as boto3 reads it, and the fields of boto3's model, as JSON.

    python3 tests/gateway/boto3_sees.py http://127.0.0.1:4566 ARN
"""

import json
import sys

import boto3
from botocore.config import Config

endpoint_url, arn = sys.argv[1:]
ivs = boto3.client(
    "ivs-realtime",
    region_name="us-east-1",
    endpoint_url=endpoint_url,
    aws_access_key_id="emulator",
    aws_secret_access_key="emulator",
    config=Config(retries={"total_max_attempts": 1}, proxies={}),
)
create = ivs.meta.service_model.operation_model("CreateIngestConfiguration")
response = create.output_shape.members["ingestConfiguration"]
print(
    json.dumps(
        {
            "configuration": ivs.get_ingest_configuration(arn=arn)["ingestConfiguration"],
            "tags": ivs.list_tags_for_resource(resourceArn=arn)["tags"],
            "input_members": sorted(create.input_shape.members),
            "output_members": sorted(response.members),
        }
    )
)
