with

staged as (
    select
        count(*) as line_count,
        coalesce(sum(line_amount_net), 0) as net_amount
    from {{ ref('int_invoice_lines_unioned') }}
),

facts as (
    select
        count(*) as line_count,
        coalesce(sum(line_amount_net), 0) as net_amount
    from {{ ref('fct_invoice_lines') }}
),

left_out as (
    select
        coalesce(sum(versions.line_count), 0) as line_count,
        coalesce(sum(versions.net_amount), 0) as net_amount
    from {{ ref('int_documents_versioned') }} as versions
    cross join {{ ref('stg_company__settings') }} as settings
    where versions.is_superseded or versions.invoiced_on >= settings.as_of
),

final as (
    select
        staged.line_count,
        facts.line_count + left_out.line_count as line_count_found,
        staged.net_amount,
        facts.net_amount + left_out.net_amount as net_amount_found
    from staged
    cross join facts
    cross join left_out
    where
        staged.line_count <> facts.line_count + left_out.line_count
        or staged.net_amount <> facts.net_amount + left_out.net_amount
)

select * from final
