with

invoices as (
    select * from {{ ref('int_invoices_unioned') }}
),

payments as (
    select * from {{ ref('int_payments_matched') }}
    where document_id is not null and payment_kind = 'payment'
),

reviews as (
    select * from {{ ref('int_reviews_unioned') }}
    where order_reference is not null
),

vouchers as (
    select * from {{ ref('stg_lexware_office__vouchers') }}
    where is_booked
),

details as (
    select
        voucher_id,
        case when tax_type = 'gross' then gross_amount else net_amount end as total
    from {{ ref('stg_lexware_office__voucher_details') }}
    -- A discount on the whole and what was paid ahead stand in no line.
    where not has_total_discount and down_payment_deductions is null
),

line_sums as (
    select
        voucher_id,
        sum(line_amount) as total
    from {{ ref('stg_lexware_office__voucher_lines') }}
    group by voucher_id
),

rules as (
    select {{ rule_value('amount_tolerance') }} as amount_tolerance
    from {{ ref('accounting_rules') }}
),

known_orders as (
    select distinct upper(trim(document_number)) as document_number
    from invoices
    where document_number is not null
),

totals as (
    select
        'total_is_the_sum_of_its_lines' as rule,
        'lexware_office' as source,
        coalesce(vouchers.document_number, vouchers.voucher_id) as record_key,
        'total ' || details.total || ', lines ' || line_sums.total as figure
    from vouchers
    inner join details on vouchers.voucher_id = details.voucher_id
    inner join line_sums on vouchers.voucher_id = line_sums.voucher_id
    cross join rules
    where abs(details.total - line_sums.total) > rules.amount_tolerance
),

too_early as (
    select
        'payment_is_not_before_its_document' as rule,
        payments.source,
        payments.document_number as record_key,
        'paid ' || payments.paid_on || ', document of ' || invoices.invoiced_on as figure
    from payments
    inner join invoices on payments.document_id = invoices.document_id
    where payments.paid_on < invoices.invoiced_on
),

of_no_order as (
    select
        'review_names_a_known_order' as rule,
        reviews.source,
        reviews.platform || ' / ' || reviews.review_id as record_key,
        'order ' || reviews.order_reference as figure
    from reviews
    left join known_orders
        on upper(trim(reviews.order_reference)) = known_orders.document_number
    where known_orders.document_number is null
),

final as (
    select * from totals
    union all
    select * from too_early
    union all
    select * from of_no_order
)

select * from final
