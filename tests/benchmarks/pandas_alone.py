"""The customer table of Online Retail with pandas alone: read, group, rank, write Parquet.

A script as an analyst would write it. No lake, no gate, no lifecycle, no returns set against the
purchase they take back, no tests; for one file, one mapping and one as-of day.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

AS_OF = pd.Timestamp("2011-12-10")


def customer_table(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per customer of these invoice lines."""
    lines["amount"] = lines["Quantity"] * lines["UnitPrice"]
    company_revenue = lines["amount"].sum()
    documents = (
        lines.dropna(subset="CustomerID")
        .groupby(["CustomerID", "InvoiceNo"], as_index=False, sort=False)
        .agg(invoiced_on=("InvoiceDate", "min"), amount=("amount", "sum"))
    )
    documents["invoiced_on"] = documents["invoiced_on"].dt.normalize()

    # Six decimals, as sums of binary fractions tell amounts apart that are equal.
    customers = documents.groupby("CustomerID").agg(net_revenue_total=("amount", "sum")).round(6)
    last_year = documents[documents["invoiced_on"] >= AS_OF - pd.DateOffset(years=1)]
    customers["net_revenue_12m"] = last_year.groupby("CustomerID")["amount"].sum().round(6)
    customers["net_revenue_12m"] = customers["net_revenue_12m"].fillna(0)
    customers["revenue_share"] = customers["net_revenue_total"] / company_revenue

    is_purchase = ~documents["InvoiceNo"].str.startswith("C") & (documents["amount"] > 0)
    purchases = documents[is_purchase].groupby("CustomerID")
    customers["first_ordered_on"] = purchases["invoiced_on"].min()
    customers["last_ordered_on"] = purchases["invoiced_on"].max()
    customers["order_count"] = purchases.size()
    customers["order_count"] = customers["order_count"].fillna(0).astype("int64")

    customers["abc_class"] = _abc_classes(customers["net_revenue_total"])
    buyers = customers[customers["order_count"] > 0]
    customers["recency_score"] = _scores(buyers["last_ordered_on"])
    customers["frequency_score"] = _scores(purchases["invoiced_on"].nunique())
    customers["monetary_score"] = _scores(buyers["net_revenue_total"])
    customers["tier"] = pd.cut(
        customers["net_revenue_12m"],
        [-np.inf, 50_000, 150_000, 500_000, np.inf],
        right=False,
        labels=["No tier", "Business", "Premium", "Strategic partner"],
    ).astype("str")
    customers.index = customers.index.astype("int64").astype("str").rename("customer_number")
    return customers.reset_index()


def _abc_classes(revenue: pd.Series) -> pd.Series:
    """A and B by what lies before the customer; C for the rest and for who has no revenue."""
    positive = revenue[revenue > 0].sort_values(ascending=False, kind="stable")
    share_before = (positive.cumsum() - positive) / positive.sum()
    classes = pd.cut(share_before, [-np.inf, 0.80, 0.95, np.inf], right=False, labels=list("ABC"))
    return classes.astype("str").reindex(revenue.index, fill_value="C")


def _scores(values: pd.Series) -> pd.Series:
    percent_rank = (values.rank(method="min") - 1) / (len(values) - 1)
    return (1 + np.minimum(4, np.floor(5 * percent_rank))).astype("Int64")


def main(source: Path, target: Path) -> None:
    """Write the customer table of one Parquet file of invoice lines as Parquet."""
    needed = ["InvoiceNo", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"]
    customers = customer_table(pd.read_parquet(source, columns=needed))
    customers.to_parquet(target, index=False)
    print(f"{len(customers):,} customers, {customers['net_revenue_total'].sum():,.2f}")
    revenue = customers.query("net_revenue_total > 0").groupby("abc_class")["net_revenue_total"]
    print(revenue.agg(["count", "sum"]).round(2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
