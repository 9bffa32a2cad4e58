with

lines as (
    select * from {{ ref('stg_lexware_office__voucher_lines') }}
),

vouchers as (
    select * from {{ ref('stg_lexware_office__vouchers') }}
    where
        voucher_type in ('invoice', 'creditnote')
        and is_booked
),

details as (
    select * from {{ ref('stg_lexware_office__voucher_details') }}
),

contacts as (
    select * from {{ ref('stg_lexware_office__contacts') }}
),

-- The collective customer (Sammelkunde) is nobody: its name must not become a customer's.
joined as (
    select
        lines.*,
        vouchers.document_number,
        vouchers.voucher_type = 'creditnote' as is_credit_note,
        vouchers.invoiced_on,
        contacts.customer_number,
        contacts.email,
        case
            when vouchers.contact_id is not null
                then coalesce(contacts.customer_name, vouchers.customer_name)
        end as customer_name,
        details.net_amount as voucher_net_amount,
        details.has_total_discount,
        coalesce(details.tax_type = 'gross', false) as is_gross
    from lines
    inner join vouchers on lines.voucher_id = vouchers.voucher_id
    left join details on lines.voucher_id = details.voucher_id
    left join contacts on vouchers.contact_id = contacts.contact_id
),

-- As printed: rounded to cents, the line's own discount taken off.
printed as (
    select
        *,
        coalesce(
            line_amount / case when is_gross then 1 + coalesce(tax_rate, 0) / 100 else 1 end,
            {{ exact_product('quantity', 'unit_price') }} * (100 - discount_percentage) / 100
        ) as amount_before_total
    from joined
),

-- A discount on the whole voucher takes the same share off every line, and the rounded net of
-- gross lines need not add up: both times the voucher's own net amount decides.
shared as (
    select
        *,
        case
            when is_gross or has_total_discount
                then amount_before_total * cast(voucher_net_amount as double) / nullif(
                    cast(sum(amount_before_total) over (partition by voucher_id) as double), 0
                )
        end as share_of_total
    from printed
),

-- One piece costs what is left after all discounts, so that a return finds its purchase.
priced as (
    select
        *,
        coalesce(share_of_total, amount_before_total) as net_amount,
        case
            when discount_percentage = 0 and share_of_total is null then unit_price
            else coalesce(share_of_total, amount_before_total) / nullif(quantity, 0)
        end as net_unit_price
    from shared
),

final as (
    select
        line_id,
        line_position,
        load_id,
        document_number,
        case when is_credit_note then 'credit_note' else 'invoice' end as document_kind,
        invoiced_on,
        customer_number,
        customer_name,
        email,
        cast(null as {{ dbt.type_string() }}) as product_code,
        product_name,
        case when is_credit_note then -quantity else quantity end as quantity,
        cast(net_unit_price as decimal(28, 6)) as unit_price,
        cast(
            case when is_credit_note then -net_amount else net_amount end as decimal(28, 6)
        ) as line_amount_net,
        currency
    from priced
)

select * from final
