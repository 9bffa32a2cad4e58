with

lines as (
    select * from {{ ref('int_sales_lines_current') }}
),

documented as (
    select
        *,
        'd_' || {{ short_hash(
            "document_key || ':' || coalesce(document_kind, '') || ':' || coalesce(customer_id, '')"
        ) }} as document_id
    from lines
),

totals as (
    select
        document_id,
        sum(line_amount_net) as net_amount
    from documented
    group by document_id
),

final as (
    select
        documented.line_id,
        documented.load_id,
        documented.file_name,
        documented.file_row,
        documented.document_id,
        documented.document_number,
        documented.invoiced_on,
        case
            when documented.document_kind is not null then documented.document_kind = 'credit_note'
            else totals.net_amount < 0
        end as is_credit_note,
        documented.customer_id,
        documented.customer_key_kind,
        documented.customer_key_hash,
        case
            when documented.customer_id is null then 'no customer number, e-mail or name'
        end as unmatched_reason,
        documented.customer_number,
        documented.customer_name,
        documented.email,
        documented.product_code,
        documented.product_name,
        documented.quantity,
        documented.unit_price,
        documented.line_amount_net
    from documented
    inner join totals on documented.document_id = totals.document_id
)

select * from final
