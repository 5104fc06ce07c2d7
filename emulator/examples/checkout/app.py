"""A web shop's checkout: a cold start worth looking at, answers of varying speed, and now and then an error."""

import json
import logging
import random
import time

import catalogue

logger = logging.getLogger()
logger.setLevel(logging.INFO)


class PaymentDeclinedError(Exception):
    """The bank said no."""


def handler(event, context):
    """Price a basket and have it paid. All of ``basket`` (articles), ``decline`` and ``pause_s`` are optional."""
    draw = random.Random(context.aws_request_id)
    basket = event.get("basket") or [draw.choice(list(catalogue.PRICES)) for _ in range(draw.randint(1, 5))]
    total = sum(catalogue.PRICES[article] for article in basket)
    logger.info("pricing %d articles", len(basket))
    time.sleep(event.get("pause_s", draw.uniform(0.05, 0.4)))
    if event.get("decline", draw.random() < 0.04):
        raise PaymentDeclinedError(f"the bank declined {total / 100:.2f}")
    print(json.dumps({"level": "INFO", "message": "order placed", "total_cents": total}))
    return {"order": context.aws_request_id, "total_cents": total}
