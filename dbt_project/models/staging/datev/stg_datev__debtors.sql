with

accounts as (
    {{ current_records(source('raw_datev', 'accounts'), ['consultant', 'client', 'account']) }}
),

final as (
    select
        {{ cleaned_text('account') }} as account,
        coalesce({{ cleaned_text('customer_number') }}, {{ cleaned_text('account') }})
            as customer_number,
        {{ cleaned_text('name') }} as customer_name,
        {{ cleaned_text('first_name') }} as first_name,
        {{ cleaned_text('last_name') }} as last_name,
        {{ cleaned_text('street') }} as street,
        {{ cleaned_text('postcode') }} as postcode,
        {{ cleaned_text('city') }} as city,
        upper({{ cleaned_text('country') }}) as country,
        {{ cleaned_text('vat_id') }} as vat_id,
        {{ cleaned_text('phone') }} as phone,
        lower({{ cleaned_text('email') }}) as email,
        {{ cleaned_text('contact_person') }} as contact_person,
        cast({{ cleaned_text('due_days') }} as integer) as due_days,
        _load_id as load_id
    from accounts
    where
        length({{ cleaned_text('account') }}) = cast(account_length as integer) + 1
        and left({{ cleaned_text('account') }}, 1) between '1' and '6'
)

select * from final
