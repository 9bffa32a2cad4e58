with

lines as (
    select * from {{ ref('int_sales_lines_current') }}
),

buyers as (
    select
        buyers.source,
        buyers.customer_key_hash,
        identities.customer_id
    from {{ ref('int_buyers_recorded') }} as buyers
    inner join {{ ref('stg_matching__identities') }} as identities
        on
            buyers.source = identities.source
            and buyers.record_id = identities.record_id
            and identities.record_kind = 'organisation'
),

documented as (
    select
        *,
        'd_' || {{ short_hash("concat_ws(':', document_key, document_kind, customer_key_hash)") }}
            as document_id
    from lines
),

unmarked_totals as (
    select
        document_id,
        sum(line_amount_net) as net_amount
    from documented
    where document_kind is null
    group by document_id
),

final as (
    select
        documented.source,
        documented.line_id,
        documented.load_id,
        documented.file_name,
        documented.file_row,
        documented.document_id,
        documented.document_key,
        documented.document_number,
        documented.invoiced_on,
        case
            when documented.document_kind is not null then documented.document_kind = 'credit_note'
            else unmarked_totals.net_amount < 0
        end as is_credit_note,
        buyers.customer_id,
        case
            when documented.customer_key_hash is null then 'no customer number, e-mail or name'
        end as unmatched_reason,
        documented.customer_number,
        documented.product_code,
        documented.product_name,
        documented.quantity,
        documented.unit_price,
        documented.line_amount_net,
        documented.document_currency
    from documented
    left join buyers
        on
            documented.source = buyers.source
            and documented.customer_key_hash = buyers.customer_key_hash
    left join unmarked_totals on documented.document_id = unmarked_totals.document_id
)

select * from final
